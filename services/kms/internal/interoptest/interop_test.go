package interoptest_test

import (
	"crypto/elliptic"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/database"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// Who reads what the service has written, and the other way round, in the tables of docs/interoperability.md.
const (
	byJOSE    = "J"  // go-jose
	byOpenSSL = "O"  // openssl alone
	byBoth    = "OG" // openssl for the key, the standard library's GCM for the content
	byLibrary = "G"  // the standard library, outside enforcement
	byNobody  = "-"
)

// others are the third parties, a service, and the keys that they share.
type others struct {
	*kmstest.OpenSSL

	s, root *kmstest.Service
	token   string
	peer    *kmstest.Peer
	turn    sync.Mutex // of the peer, which answers in order

	// pairs are key pairs by size or curve, made once.
	pairs map[string]keyPair

	mu     sync.Mutex
	tables map[string]*table // guarded by mu
}

// keyPair is a key that openssl has made.
type keyPair struct{ pkcs8, spki []byte }

// table is one of the document's, by rows and columns.
type table struct {
	corner  string
	columns []string
	rows    []string
	cells   map[[2]string][]string
}

// expect makes a table of cells to be filled; those that nobody fills are of combinations that do not exist.
func (o *others) expect(name, corner string, rows, columns []string) {
	o.tables[name] = &table{corner: corner, rows: rows, columns: columns, cells: map[[2]string][]string{}}
}

// note says that both directions have succeeded with a third party.
func (o *others) note(name, row, column, party string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	at := [2]string{row, column}
	if t := o.tables[name]; !slices.Contains(t.cells[at], party) {
		t.cells[at] = append(t.cells[at], party)
	}
}

func (t *table) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "| %s | %s |\n|%s\n", t.corner, strings.Join(t.columns, " | "), strings.Repeat(" --- |", len(t.columns)+1))
	for _, row := range t.rows {
		fmt.Fprintf(&out, "| %s |", row)
		for _, column := range t.columns {
			parties := t.cells[[2]string{row, column}]
			slices.Sort(parties)
			if len(parties) == 0 {
				parties = []string{byNobody}
			}
			fmt.Fprintf(&out, " %s |", strings.Join(parties, " "))
		}
		out.WriteString("\n")
	}
	return out.String()
}

// ask has the peer do something.
func (o *others) ask(t testing.TB, request map[string]any) []byte {
	t.Helper()
	o.turn.Lock()
	defer o.turn.Unlock()
	require.NoError(t, o.peer.In.Encode(request))
	var answer struct {
		Bytes []byte
		Error string
	}
	require.NoError(t, o.peer.Out.Decode(&answer))
	require.Empty(t, answer.Error, "%s %s %s", request["operation"], request["encryption"], request["algorithm"])
	return answer.Bytes
}

func curveOf(name string) elliptic.Curve {
	return map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}[name]
}

// kindOf is a spec's size or curve, where it has a choice: what its rows in the tables are called after its name.
func kindOf(spec alg.Spec) string {
	switch spec.KeyType {
	case alg.KeyTypeRSA:
		return fmt.Sprint(spec.KeySize)
	case alg.KeyTypeEC:
		return spec.Curve
	default:
		return ""
	}
}

// makePairs has openssl make every key pair that a key can be of.
func (o *others) makePairs(t *testing.T) {
	o.pairs = map[string]keyPair{}
	for _, size := range alg.RSASizes() {
		pkcs8, spki := o.Generate(t, "-algorithm", "RSA", "-pkeyopt", fmt.Sprint("rsa_keygen_bits:", size))
		o.pairs[fmt.Sprint(size)] = keyPair{pkcs8, spki}
	}
	for _, curve := range []string{"P-256", "P-384", "P-521"} {
		pkcs8, spki := o.Generate(t, "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:"+curve)
		o.pairs[curve] = keyPair{pkcs8, spki}
	}
	pkcs8, spki := o.Generate(t, "-algorithm", "ED25519")
	o.pairs["Ed25519"] = keyPair{pkcs8, spki}
}

// brought is a key of the service whose material a third party has as well.
type brought struct {
	alg.Spec
	keyPair

	id, kid string
	secret  []byte // of a symmetric key
}

// pathTo is where an operation on the key is asked for.
func (k brought) pathTo(verb string) string { return "elastic-keys/" + k.id + "/" + verb }

// held is the key as the peer is told of it; public has it told of the public part alone, where there is one.
func (k brought) held(public bool) map[string]any {
	switch {
	case k.secret != nil:
		return map[string]any{"octets": k.secret, "kid": k.kid}
	case public:
		return map[string]any{"spki": k.spki, "kid": k.kid}
	default:
		return map[string]any{"pkcs8": k.pkcs8, "kid": k.kid}
	}
}

// bring has a third party make the material of a key, wrap it for an import job and import it. Nothing of ours has a hand in it but the
// service.
func (o *others) bring(t testing.TB, spec alg.Spec) brought {
	t.Helper()
	key, material := o.material(t, spec)
	key.id = o.importMaterial(t, spec, material)
	key.kid = key.id + ".1"
	return key
}

// importMaterial makes a key of material that the peer wraps.
func (o *others) importMaterial(t testing.TB, spec alg.Spec, material []byte) (id string) {
	t.Helper()
	name := strings.ToLower(strings.NewReplacer("/", "-", "+", "-").Replace(spec.Algorithm)) + "-" + strings.ToLower(kindOf(spec))
	ask := map[string]any{"name": strings.TrimSuffix(name, "-"), "algorithm": spec.Algorithm, "origin": "imported"}
	if spec.KeyType == alg.KeyTypeRSA {
		ask["key_size"] = spec.KeySize
	}
	if spec.KeyType == alg.KeyTypeEC && spec.Use != alg.UseSign {
		ask["curve"] = spec.Curve
	}
	id = o.s.Post(t, o.token, "elastic-keys", ask).Member(t, "id")
	job := o.s.ImportJob(t, o.token, id, kmstest.MethodECDH)
	var wrapping struct{ JWK json.RawMessage }
	require.NoError(t, json.Unmarshal(job.Raw(t, "public_key"), &wrapping))
	wrapped := o.ask(t, map[string]any{
		"operation": "encrypt", "algorithm": "ECDH-ES+A256KW", "encryption": "A256GCM", "key": wrapping.JWK, "bytes": material,
	})
	o.s.Post(t, o.token, "elastic-keys/"+id+"/import", map[string]any{"job": job.Member(t, "token"), "wrapped_material": string(wrapped)})
	return id
}

// do asks for an operation that succeeds.
func (o *others) do(t testing.TB, k brought, verb string, body map[string]any) kmstest.Answer {
	t.Helper()
	return o.s.Post(t, o.token, k.pathTo(verb), body)
}

// What the service encrypts, signs, wraps and derives, others read, and the other way round, for every algorithm there is: go-jose and the
// standard library, each outside enforcement, and openssl as far as it has the formats. docs/interoperability.md holds the outcome.
func TestInteroperability_WithOtherImplementations(t *testing.T) { //nolint:tparallel // the document is compared when everything is done
	t.Parallel()
	cfg, files := kmstest.Prepare(t, database.EngineSQLite)
	certificate := kmstest.Administer(t, &cfg)
	s := kmstest.Run(t, cfg, files)
	o := &others{OpenSSL: kmstest.NewOpenSSL(t), s: s, root: s.As(t, certificate), token: s.Operator(t), peer: kmstest.StartPeer(t), tables: map[string]*table{}}
	o.makePairs(t)
	t.Run("all", func(t *testing.T) {
		o.encryption(t)
		o.signatures(t)
		o.keys(t)
	})
	if t.Failed() {
		return
	}
	text, err := os.ReadFile("../../../../docs/interoperability.md")
	require.NoError(t, err)
	for name, table := range o.tables {
		t.Logf("%s\n%s", name, table)
		_, section, found := strings.Cut(string(text), "## "+name+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		assert.True(t, found && strings.Contains(section, table.String()), "docs/interoperability.md has another table %q than what was found", name)
	}
}

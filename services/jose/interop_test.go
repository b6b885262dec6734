package jose_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
)

// others are a service, those who are to understand it, and what was found.
type others struct {
	s     *service
	token string

	parties []counterpart
	python  jwCrypto

	mu       sync.Mutex
	findings map[string]*finding // guarded by mu, by the title of their tables
	material map[string]object   // guarded by mu: JWKs that others have made, by what they are
}

// finding is a table of docs/interoperability.md, by rows and columns.
type finding struct {
	corner        string
	rows, columns []string
	cells         map[[2]string][]string
}

// note says that both directions have succeeded with somebody, or that there is nothing to say (party "").
func (o *others) note(title, corner, row, column, party string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f := o.findings[title]
	if f == nil {
		f = &finding{corner: corner, cells: map[[2]string][]string{}}
		o.findings[title] = f
	}
	if !slices.Contains(f.rows, row) {
		f.rows = append(f.rows, row)
	}
	if !slices.Contains(f.columns, column) {
		f.columns = append(f.columns, column)
	}
	at := [2]string{row, column}
	if party != "" && !slices.Contains(f.cells[at], party) {
		f.cells[at] = append(f.cells[at], party)
	}
}

func (f *finding) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "| %s | %s |\n|%s\n", f.corner, strings.Join(f.columns, " | "), strings.Repeat(" --- |", len(f.columns)+1))
	for _, row := range f.rows {
		fmt.Fprintf(&out, "| %s |", row)
		for _, column := range f.columns {
			parties := f.cells[[2]string{row, column}]
			slices.Sort(parties)
			if len(parties) == 0 {
				parties = []string{"-"}
			}
			fmt.Fprintf(&out, " %s |", strings.Join(parties, " "))
		}
		out.WriteString("\n")
	}
	return out.String()
}

// made is a JWK of jwcrypto's, which makes one of each kind for each use.
func (o *others) made(t testing.TB, spec alg.Spec) object {
	t.Helper()
	parameters := object{"kty": string(spec.KeyType)}
	switch spec.KeyType {
	case alg.KeyTypeRSA, alg.KeyTypeOctet:
		parameters["size"] = spec.KeySize
	case alg.KeyTypeEC:
		parameters["crv"] = spec.Curve
	default:
		parameters["crv"] = "Ed25519"
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	name := fmt.Sprint(spec.Use, parameters)
	if o.material[name] == nil {
		var key object
		require.NoError(t, o.python.value(object{"operation": "generate", "parameters": parameters}, &key))
		o.material[name] = key
	}
	return o.material[name]
}

// bring imports a key that somebody else has made, which is then theirs and ours.
func (o *others) bring(t testing.TB, name string, spec alg.Spec) held {
	t.Helper()
	material := o.made(t, spec)
	body := object{"name": name, "algorithm": spec.Algorithm, "jwk": material, "exportable": true}
	o.s.post(t, o.token, "keys/import", body)
	key := held{jwk: object{"kid": o.s.get(t, o.token, "keys/"+name+"/versions/1").Member(t, "kid")}, algorithm: spec.Signature}
	if spec.Use == alg.UseEncrypt {
		key.algorithm = spec.KeyManagement
	}
	for member, value := range material {
		if member != "kid" {
			key.jwk[member] = value
		}
	}
	return key
}

// public is the key as the service publishes it.
func (o *others) public(t testing.TB, name string, key held) held {
	t.Helper()
	if key.jwk["kty"] == "oct" {
		return key
	}
	shown, ok := o.s.get(t, o.token, "keys/"+name+"/public-key").Object(t)["jwk"].(object)
	require.True(t, ok)
	delete(shown, "alg") // theirs is an older name, perhaps
	return held{shown, key.algorithm}
}

// keyName is the name of the key for a spec.
func keyName(spec alg.Spec) string {
	name := strings.NewReplacer("/", "-", "+", "-").Replace(spec.Algorithm)
	return strings.ToLower(strings.TrimSuffix(name+"-"+kindOf(spec), "-"))
}

// kindOf is the curve of a spec that has a choice of several.
func kindOf(spec alg.Spec) string {
	if spec.KeyType == alg.KeyTypeEC && spec.Use == alg.UseEncrypt {
		return spec.Curve
	}
	return ""
}

// What the service signs, encrypts and issues others verify and read, and the other way round: every algorithm, in every form that they have, with
// keys that they have made. docs/interoperability.md holds what was found.
func TestInteroperability_WithOtherImplementations(t *testing.T) { //nolint:tparallel // the document is compared when everything is done
	t.Parallel()
	if testing.Short() {
		t.Skip("hundreds of keys, and a program to build: skipped under -short")
	}
	s, token := alone(t)
	python := startJWCrypto(t)
	o := &others{
		s: s, token: token, python: python, parties: []counterpart{startGoJOSE(t), python},
		findings: map[string]*finding{}, material: map[string]object{},
	}
	t.Run("all", func(t *testing.T) {
		o.sealedForms(t)
		o.signatures(t)
		o.encryption(t)
		o.tokensAndKeys(t)
	})
	if t.Failed() {
		return
	}
	text, err := os.ReadFile("../../docs/interoperability.md")
	require.NoError(t, err)
	for title, found := range o.findings {
		t.Logf("%s\n%s", title, found)
		_, section, there := strings.Cut(string(text), "## "+title+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		assert.True(t, there && strings.Contains(section, found.String()), "docs/interoperability.md has another table %q than what was found:\n%s", title, found)
	}
}

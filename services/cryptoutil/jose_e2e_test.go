//go:build e2e

package cryptoutil_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/testkit"
)

// joseDesk is desk for the JWK Authority.
func (i *installation) joseDesk(t *testing.T) desk { return desk{i, "jose", t.TempDir()} }

// joseURL is where the JWK Authority is.
func (i *installation) joseURL(t testing.TB) string {
	t.Helper()
	return i.productURL(t, "jose")
}

// caURL is where the certification authority is.
func (i *installation) caURL(t testing.TB) string {
	t.Helper()
	return i.productURL(t, "ca")
}

// productURL is where a product is, by the context file.
func (i *installation) productURL(t testing.TB, product string) string {
	t.Helper()
	text, err := os.ReadFile(i.context())
	require.NoError(t, err)
	found := regexp.MustCompile(`\n +` + product + `:\n +url: (\S+)`).FindSubmatch(text)
	require.NotNil(t, found, "%s", text)
	return string(found[1])
}

// bash runs a script in the folder, whose pipes fail where one of their parts does.
func (d desk) bash(t testing.TB, script string) outcome {
	t.Helper()
	return call{
		path: testkit.RequireTool(t, "bash"), args: []string{"--noprofile", "--norc", "-c", "set -o pipefail\n" + script},
		env: environment(d.dir, "CRYPTOUTIL_CONTEXT="+d.context()), dir: d.folder,
	}.run(t)
}

// parsed are the members of a result of --output json.
func parsed(t testing.TB, text string) map[string]any {
	t.Helper()
	var object map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &object), text)
	return object
}

//nolint:tparallel // its parts share one installation
func TestJOSE_DoesItsWorkOnTheCommandLine(t *testing.T) {
	t.Parallel()
	i := dev(t, filepath.Join(t.TempDir(), "data"))
	for name, work := range map[string]func(*testing.T, desk){
		"keys": joseKeys, "export": joseExport, "jws": joseSigned, "jwe": joseEncrypted, "jwt": joseTokens, "sd-jwt": joseDisclosed, "jwks": josePublished,
		"mistakes": joseMistakes,
	} {
		t.Run(name, func(t *testing.T) { work(t, i.joseDesk(t)) })
	}
}

func joseKeys(t *testing.T, d desk) {
	id := strings.TrimSpace(d.do(t, "", "key create --name life --algorithm ES256"))
	assert.Regexp(t, `\nlife +`+id+` +ES256 +sign +active +1 `, d.do(t, "", "key list"))
	assert.Equal(t, "2\n", d.do(t, "", "key rotate life"))
	d.fails(t, "", "key rotate life", 1, "invalid_state")
	assert.Equal(t, "3\n", d.do(t, "", "key rotate life --immediate"))
	assert.Regexp(t, `(?s)\n3 +active .*\n2 +retired .*\n1 +retired `, d.do(t, "", "key version list life"))
	assert.Equal(t, "key life is disabled\n", d.do(t, "", "key disable life"))
	d.fails(t, "x", "jws sign --key life", 1, "`key get` and `key version list` show the states")
	assert.Equal(t, "key life is active\n", d.do(t, "", "key enable life"))
	d.fails(t, "", "key destroy life", 2, "nothing was done")
	assert.Equal(t, "active", parsed(t, d.do(t, "", "key get life --output json"))["status"])
	d.do(t, "", "key version destroy life 1 --yes")
	assert.Equal(t, "key life is destroyed\n", d.do(t, "", "key destroy life --yes"))
	d.fails(t, "x", "jws sign --key "+id, 1, "not_found")
}

func joseExport(t *testing.T, d desk) {
	d.openssl(t, "", "genpkey -quiet -out own.pem -algorithm EC -pkeyopt ec_paramgen_curve:P-256")
	d.do(t, "", "key create --name chest --algorithm A256GCM/ECDH-ES+A256KW")
	d.do(t, "", "key import --name own --in own.pem --algorithm ES256 --exportable")
	assert.Equal(t, d.openssl(t, "", "pkey -in own.pem -pubout"), d.do(t, "", "key public own"))
	d.do(t, "", "key export own --recipient chest --out own.jwe")
	d.private(t, "own.jwe")
	d.do(t, "", "key import --name again --in own.jwe")
	assert.Equal(t, d.do(t, "", "key public own"), d.do(t, "", "key public again"))
	d.do(t, "", "key export-set own --recipient chest --out set.jwe")
	d.do(t, "", "jwe decrypt --in set.jwe --out set.json")
	d.private(t, "set.jwe", "set.json")
	assert.Len(t, parsed(t, d.read(t, "set.json"))["keys"], 1)
	d.fails(t, "", "key export again --recipient chest", 1, "only a key created with --exportable leaves")
}

func joseSigned(t *testing.T, d desk) {
	d.do(t, "", "key create --name first --algorithm ES256")
	d.do(t, "", "key create --name second --algorithm Ed25519")
	d.write(t, "order", "seven pieces\n")
	assert.Equal(t, "seven pieces\n", d.do(t, d.do(t, "", "jws sign --key first --in order"), "jws verify"))
	d.do(t, "", "jws sign --key first --detached --in order --out order.sig")
	assert.Regexp(t, `^the signature verifies: key \S+, version 1\n$`, d.do(t, "", "jws verify --in order.sig --payload order"))
	d.write(t, "order", "eight pieces\n")
	d.fails(t, "", "jws verify --in order.sig --payload order", 1, "do not trust it")
	d.do(t, "", "jws sign --key first --key second --serialization general --in order --out order.json")
	d.private(t, "order.sig", "order.json")
	assert.Len(t, parsed(t, d.read(t, "order.json"))["signatures"], 2)
	assert.Len(t, parsed(t, d.do(t, "", "jws verify --in order.json --output json"))["signatures"], 2)
	assert.Contains(t, d.do(t, "x", "jws sign --key first --serialization flattened"), `"signature"`)

	got := d.bash(t, "cryptoutil jose jws sign --key first --in order | tee message | cryptoutil jose jws verify --typ other | cat; echo ${PIPESTATUS[@]}")
	assert.Equal(t, "0 0 1 0\n", got.stdout)
	assert.Contains(t, got.stderr, "Error: ")
}

func joseEncrypted(t *testing.T, d desk) {
	d.do(t, "", "key create --name ada --algorithm A256GCM/ECDH-ES+A256KW")
	d.do(t, "", "key create --name bob --algorithm A256GCM/RSA-OAEP-256 --key-size 2048")
	content := "\x00\xffsecret\n"
	assert.Equal(t, content, d.do(t, d.do(t, content, "jwe encrypt --key ada"), "jwe decrypt --out -"))
	d.write(t, "envelope", `{"to":"all"}`)
	d.do(t, content, "jwe encrypt --key ada --key bob --aad envelope --out letter.jwe")
	for _, key := range []string{"ada", "bob"} {
		d.do(t, "", "jwe decrypt --in letter.jwe --key "+key+" --out letter --aad-out seen")
		assert.Equal(t, []string{content, `{"to":"all"}`}, []string{d.read(t, "letter"), d.read(t, "seen")})
	}
	d.private(t, "letter", "letter.jwe")
	d.fails(t, "a.b.c.d.e", "jwe decrypt --out nothing", 1, "invalid_jwe")
	d.absent(t, "nothing")
	d.fails(t, strings.Repeat("x", 64<<10+1), "jwe encrypt --key ada", 1, "more than 64 KiB")
}

func joseTokens(t *testing.T, d desk) {
	d.do(t, "", "key create --name tokens --algorithm ES256")
	d.do(t, "", "profile create --name access --key tokens --typ at+jwt --issuer https://shop.example --audience api --revocation --required-claims sub")
	d.do(t, `{"role":"clerk"}`, "jwt issue --profile access --subject ada --claims - --out ada.jwt")
	d.private(t, "ada.jwt")
	claims := parsed(t, d.do(t, "", "jwt verify --profile access --in ada.jwt"))
	assert.Equal(t, []any{"https://shop.example", "ada", "clerk"}, []any{claims["iss"], claims["sub"], claims["role"]})
	d.fails(t, d.read(t, "ada.jwt")[:40], "jwt verify --profile access", 1, "token_malformed")
	d.fails(t, "", "jwt issue --profile access", 1, "the claims that a profile requires")
	got := d.bash(t, "cryptoutil jose jwt issue --profile access --subject bob | cryptoutil jose jwt verify --profile access")
	assert.Zero(t, got.exit, got.stderr)
	assert.Contains(t, got.stdout, `"bob"`)

	jti, isText := claims["jti"].(string)
	require.True(t, isText)
	d.do(t, "", "jwt revoke --profile access --jti "+jti)
	d.fails(t, "", "jwt verify --profile access --in ada.jwt", 1, "token_revoked")
	d.do(t, "", "profile update access --lifetime 1m")
	assert.Regexp(t, `\naccess .* 1m0s\n`, d.do(t, "", "profile list"))
	d.do(t, "", "profile delete access")
	d.fails(t, "", "jwt issue --profile access --subject ada", 1, "not_found")
}

func joseDisclosed(t *testing.T, d desk) {
	d.do(t, "", "key create --name issuer --algorithm ES256")
	d.do(t, "", "key create --name wallet --algorithm Ed25519")
	d.do(t, "", "profile create --name card --key issuer --typ dc+sd-jwt --issuer https://city.example --audience bar")
	d.do(t, "", "key public wallet --out wallet.pem")
	d.do(t, `{"name":"Ada","born":1815}`, "sd-jwt issue --profile card --claims - --selective /name --selective /born --holder wallet.pem --out card")
	d.do(t, "", "sd-jwt present --in card --disclose /born --key wallet --audience https://bar.example --nonce n-1 --out shown")
	d.private(t, "card", "shown")
	seen := parsed(t, d.do(t, "", "sd-jwt verify --profile card --in shown --audience https://bar.example --nonce n-1"))
	assert.InDelta(t, 1815, seen["born"], 0)
	assert.NotContains(t, seen, "name")
	d.fails(t, "", "sd-jwt verify --profile card --in shown --audience https://bar.example --nonce n-2", 1, "invalid_sd_jwt")
	d.fails(t, "", "sd-jwt verify --profile card --in shown --nonce n-1", 2, "audience")
}

// josePublished reads the key set as anybody may, and has openssl verify a signature by it.
func josePublished(t *testing.T, d desk) {
	d.do(t, "", "key create --name public --algorithm ES256")
	message := strings.Split(strings.TrimSpace(d.do(t, "hello", "jws sign --key public")), ".")
	require.Len(t, message, 3)
	kid := parsed(t, d.do(t, "", "key version list public --output json"))["items"].([]any)[0].(map[string]any)["kid"]
	var key map[string]any
	eventually(t, "the key is in the set", func() bool {
		status, body, _ := d.curl(t, d.joseURL(t)+"/.well-known/jwks.json")
		require.Equal(t, "200 application/jwk-set+json", status)
		for _, one := range parsed(t, body)["keys"].([]any) {
			if one := one.(map[string]any); one["kid"] == kid {
				key = one
			}
		}
		return key != nil
	})
	assert.Contains(t, d.do(t, "", "jwks"), key["x"])

	point := append(append([]byte{4}, octets(t, key["x"])...), octets(t, key["y"])...)
	published, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	require.NoError(t, err)
	der, err := x509.MarshalPKIXPublicKey(published)
	require.NoError(t, err)
	d.write(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
	assert.Equal(t, d.read(t, "key.pem"), d.do(t, "", "key public public"))
	bare := octets(t, message[2])
	require.Len(t, bare, 64)
	signature, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(bare[:32]), new(big.Int).SetBytes(bare[32:])})
	require.NoError(t, err)
	d.write(t, "signature", string(signature))
	assert.Equal(t, "Verified OK\n", d.openssl(t, message[0]+"."+message[1], "dgst -sha256 -verify key.pem -signature signature"))

	key = map[string]any{"kty": key["kty"], "crv": key["crv"], "x": key["x"], "y": key["y"]}
	text, err := json.Marshal(key)
	require.NoError(t, err)
	assert.Equal(t, d.do(t, d.read(t, "key.pem"), "thumbprint"), d.do(t, string(text), "thumbprint"))
}

// octets reads base64url.
func octets(t testing.TB, text any) []byte {
	t.Helper()
	encoded, isText := text.(string)
	require.True(t, isText)
	decoded, err := base64.RawURLEncoding.DecodeString(encoded)
	require.NoError(t, err)
	return decoded
}

func joseMistakes(t *testing.T, d desk) {
	d.fails(t, "", "key get", 2, "name one key")
	d.fails(t, "", "key list --output yaml", 2, "it must be table or json")
	d.fails(t, "", "key get absent", 1, "`key list` shows the keys of your tenant")
	d.fails(t, "", "jwt verify --profile absent", 1, "standard input is empty")
	d.fails(t, "", "jws sign --key a --in absent", 1, `no file "absent"`)
	d.fails(t, "", "key list --context absent.yaml", 1, "does not exist")
}

// The service's own binary has the same commands.
func TestJOSE_TheServersOwnBinaryHasTheCommands(t *testing.T) {
	t.Parallel()
	i := dev(t, filepath.Join(t.TempDir(), "data"))
	c := i.suite("key", "create", "--name", "tokens", "--algorithm", "ES256")
	c.path = program(t, joseServer)
	got := c.run(t)
	require.Zero(t, got.exit, got.stderr)
	assert.Regexp(t, `^[0-9a-f-]{36}\n$`, got.stdout)
	help := i.suite("jws", "sign", "--help")
	help.path = c.path
	assert.Contains(t, help.run(t).stdout, "  jose-server jws sign --key tokens")
}

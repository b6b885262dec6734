package cli_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/jose/client"
)

func TestKey_GoesThroughItsLifeOnTheCommandLine(t *testing.T) {
	t.Parallel()
	s := open(t)
	id := strings.TrimSpace(s.must(t, "", "key create --name tokens --algorithm ES256 --token-lifetime 12h"))
	assert.Regexp(t, `^[0-9a-f-]{36}$`, id)
	shown := s.must(t, "", "key get tokens")
	assert.Regexp(t, `Algorithm +ES256 *\n`, shown)
	assert.Regexp(t, `Token lifetime +12h0m0s\n`, shown)
	var key client.Key
	require.NoError(t, json.Unmarshal([]byte(s.must(t, "", "key update tokens --description shop --published=false --output json")), &key))
	assert.Equal(t, []any{id, "shop", false}, []any{key.ID, key.Description, key.Published})
	assert.JSONEq(t, `{"keys":[]}`, s.must(t, "", "jwks"))
	s.must(t, "", "key update "+id+" --published")

	assert.Equal(t, "2\n", s.must(t, "", "key rotate tokens"))
	s.refuses(t, "", "key rotate tokens", "`key version list` show the states")
	assert.Equal(t, "3\n", s.must(t, "", "key rotate tokens --immediate"))
	versions := s.must(t, "", "key version list tokens")
	assert.Regexp(t, `VERSION +STATUS +KID.*\n3 +active .*\n2 +retired .*\n1 +retired .*\n$`, versions)
	assert.Len(t, strings.Split(s.must(t, "", "key version list tokens --limit 1"), "\n"), 3)
	assert.Regexp(t, `Status +retired\n`, s.must(t, "", "key version get tokens 1"))
	s.refuses(t, "", "key version destroy tokens 1", "add --yes")
	assert.Equal(t, "version 1 of key tokens is destroyed\n", s.must(t, "", "key version destroy tokens 1 --yes"))
	s.refuses(t, "", "key version destroy tokens 3 --yes", "invalid_state")

	assert.Equal(t, "key tokens is disabled\n", s.must(t, "", "key disable tokens"))
	s.refuses(t, "hello", "jws sign --key tokens", "show the states")
	assert.Regexp(t, `\ntokens +`+id+` +ES256 +sign +disabled +3 `, s.must(t, "", "key list --status disabled"))
	assert.Equal(t, "key tokens is active\n", s.must(t, "", "key enable tokens"))
	s.refuses(t, "", "key destroy tokens", "nothing was done")
	assert.Equal(t, "key tokens is destroyed\n", s.must(t, "", "key destroy tokens --yes"))
	s.refuses(t, "", "key rotate "+id, "not_found")
	assert.JSONEq(t, `{"items":[]}`, s.must(t, "", "key list --status active --output json"))
}

func TestKey_LeavesAndComesBackEncrypted(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.must(t, "", "key create --name box --algorithm A256GCM/ECDH-ES+A256KW")
	s.must(t, "", "key create --name tokens --algorithm ES256 --exportable")
	s.must(t, "", "key create --name stays --algorithm ES256")
	signed := s.must(t, "hello", "jws sign --key tokens")

	s.must(t, "", "key export tokens --recipient box --out @tokens.jwe")
	assert.Len(t, strings.Split(s.read(t, "tokens.jwe"), "."), 5)
	s.refuses(t, "", "key export stays --recipient box", "only a key created with --exportable leaves")
	s.refuses(t, "", "key export tokens --recipient stays", "`key get` shows what the key is for")
	s.must(t, "", "key export-set tokens --recipient box --out @set.jwe")
	assert.Contains(t, s.must(t, "", "jwe decrypt --in @set.jwe"), `"keys"`)

	s.must(t, "", "key import --name moved --in @tokens.jwe")
	assert.Equal(t, "hello", s.must(t, signed, "jws verify --key tokens"))
	assert.Equal(t, s.must(t, "", "key public tokens"), s.must(t, "", "key public moved"))

	s.must(t, "", "key public tokens --out @tokens.pem")
	s.refuses(t, "", "key import --name theirs --in @tokens.pem", "add --algorithm")
	s.must(t, "", "key import --name theirs --in @tokens.pem --algorithm ES256")
	s.refuses(t, "hello", "jws sign --key theirs", "whoever imported it has the private part")
	s.must(t, s.must(t, "", "key public tokens --format jwk"), "key import --name again")
	thumbprint := s.must(t, "", "thumbprint --in @tokens.pem")
	assert.Equal(t, "urn:ietf:params:oauth:jwk-thumbprint:sha-256:"+thumbprint, s.must(t, s.must(t, "", "key public tokens --format jwk"), "thumbprint --uri"))

	for name, content := range map[string]string{"empty": "", "text": "hello", "json": `{"kty":"EC"}`, "object": "{", "large": strings.Repeat("x", 25<<10)} {
		s.write(t, name, content)
		r := s.run(t, "", "key import --name "+name+" --algorithm ES256 --in @"+name)
		require.Error(t, r.err, name)
		assert.Empty(t, r.out, name)
	}
}

func TestCommands_RefuseMistakenCommandLines(t *testing.T) {
	t.Parallel()
	s := open(t)
	for line, want := range map[string]string{
		"key get":                                        "name one key, by its name or id: jose key get NAME|ID",
		"jws sign --key a order.json":                    `"order.json" is not expected after jose jws sign: a file is named by --in`,
		"key create tokens":                              "a name is given by --name",
		"profile list access":                            "everything is given by flags",
		"key get a b":                                    "name one key",
		"key version get tokens":                         "name one key and one version",
		"key version get tokens x":                       `"x" is no version`,
		"key export-set --recipient box":                 "name the keys",
		"key list --limit -1":                            "--limit must be 1 or more",
		"key list --status open":                         "must be one of active, disabled, destroyed",
		"key update tokens":                              "say what to change",
		"key update tokens --token-lifetime soon":        "is no duration in whole seconds",
		"key public tokens --format der":                 "must be one of pem, jwk",
		"key public tokens --version -1":                 "--version must be 1 or more",
		"jws sign --key a --serialization cbor":          "must be one of compact, flattened, general",
		"jws sign --key a --header -":                    "only one input can be standard input",
		"jws sign --key a --header - --in x":             "",
		"jws verify --payload -":                         "only one input can be standard input",
		"jws verify --accept some":                       "must be one of all, any",
		"jwe encrypt --key a --aad -":                    "only one input can be standard input",
		"jwe decrypt --aad-out -":                        "cannot both be standard output",
		"jwt issue --profile p --lifetime 0s":            "--lifetime must be a second or more",
		"jwt issue --profile p --lifetime 1.5s":          "whole seconds",
		"jwt revoke --profile p --jti x --expires 1":     "write it as 2027-01-31T12:00:00Z",
		"sd-jwt issue --profile p --claims - --hash md5": "must be one of sha-256, sha-384, sha-512",
		"sd-jwt issue --profile p --claims - --holder -": "only one input can be standard input",
		"sd-jwt verify --profile p --max-age 1m":         "--max-age goes with --audience and --nonce",
		"profile get":                                    "name one profile",
		"profile update access":                          "say what to change",
		"profile update access --max-inflated -1":        "--max-inflated must be 0 or more",
	} {
		if want == "" {
			continue
		}
		r := s.run(t, "x", line)
		require.ErrorContains(t, r.err, want, line)
		assert.True(t, isUsageError(r.err), line)
		assert.Empty(t, r.out, line)
	}
	for line, want := range map[string]string{
		"key create --name x":                                                  `required flag(s) "algorithm" not set`,
		"key list --output yaml":                                               "it must be table or json",
		"profile create --name p --issuer i --audience a":                      "at least one of the flags in the group [key jwks-uri trust-thumbprint trust-anchors trust-jku] is required",
		"profile create --name p --issuer i --audience a --key k --jwks-uri u": "none of the others can be",
		"sd-jwt present --key wallet":                                          "they must all be set",
		"jws sign --key a --in @absent":                                        "no file",
		"jws sign --key a --header @absent":                                    "--header: no file",
		"key create --name UPPER --algorithm ES256":                            "validation_failed",
		"key create --name x --algorithm none":                                 "ES256 signs",
		"key adopt --name x":                                                   `required flag(s) "kms-key" not set`,
		"key adopt --name x --kms-key y":                                       "no KMS is federated",
		"key get absent":                                                       "`key list` shows the keys of your tenant",
	} {
		s.refuses(t, "", line, want)
	}
	for in, want := range map[string]string{"": "standard input is empty", strings.Repeat("x", 256<<10+1): "more than 256 KiB: that is no message"} {
		s.refuses(t, in, "jws verify", want)
	}
	s.refuses(t, strings.Repeat("x", 64<<10+1), "jws sign --key a", "more than 64 KiB")
	s.refuses(t, "[]", "jwt issue --profile p --claims -", "must hold one JSON object")

	s.credential = s.Token(t, "default", "reader", "jose:read")
	s.refuses(t, "", "key create --name x --algorithm ES256", "an operator gives your credential the scope")
	s.credential = "cu_at_default_none_0000"
	s.refuses(t, "", "key list", "check the one that the context file names for jose")
}

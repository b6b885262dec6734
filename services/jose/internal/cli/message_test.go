package cli_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/jose/client"
)

func TestJWS_SignsAndVerifiesInEveryForm(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.must(t, "", "key create --name one --algorithm ES256")
	s.must(t, "", "key create --name two --algorithm Ed25519")
	s.write(t, "order", `{"item":7}`)
	s.write(t, "header", `{"n":9007199254740993}`)
	for _, flags := range []string{"", "--typ order+jws --cty json", "--serialization flattened", "--header @header", "--unprotected @header", "--key two"} {
		s.must(t, "", "jws sign --key one "+flags+" --in @order --out @message")
		s.read(t, "message")
		assert.Equal(t, `{"item":7}`, s.must(t, "", "jws verify --in @message"), flags)
	}
	var made client.Made
	require.NoError(t, json.Unmarshal([]byte(s.must(t, "x", "jws sign --key one --key two --serialization general --output json")), &made))
	assert.Len(t, *made.Keys, 2)
	var verified client.Verified
	require.NoError(t, json.Unmarshal([]byte(s.must(t, made.Message, "jws verify --output json --accept any")), &verified))
	assert.Len(t, *verified.Signatures, 2)

	s.must(t, "", "jws sign --key one --detached --in @order --out @detached")
	assert.Contains(t, s.read(t, "detached"), "..")
	assert.Regexp(t, `^the signature verifies: key \S+, version 1\n$`, s.must(t, "", "jws verify --in @detached --payload @order --key one"))
	s.write(t, "forged", `{"item":8}`)
	s.refuses(t, "", "jws verify --in @detached --payload @forged", "do not trust it")
	s.refuses(t, "", "jws verify --in @detached --payload @forged --out @verified", "verification_failed")
	assert.NoFileExists(t, s.path("verified"))
	s.refuses(t, "", "jws verify --in @message --key two --typ other", "verification_failed")

	s.must(t, "plain text", "jws sign --key one --unencoded --serialization flattened --out @unencoded")
	s.refuses(t, "", "jws verify --in @unencoded", "invalid_jws")
	assert.Equal(t, "plain text", s.must(t, "", "jws verify --in @unencoded --unencoded"))

	s.terminal = true
	binary := s.must(t, "\x00\x1b", "jws sign --key one")
	s.refuses(t, binary, "jws verify", "name a file with --out")
	assert.Equal(t, "\x00\x1b", s.must(t, binary, "jws verify --out -"))
}

func TestJWE_EncryptsAndDecryptsInEveryForm(t *testing.T) {
	t.Parallel()
	s := open(t)
	for name, algorithm := range map[string]string{"ada": "A256GCM/ECDH-ES+A256KW", "bob": "A256GCM/A256KW", "signer": "ES256"} {
		s.must(t, "", "key create --name "+name+" --algorithm "+algorithm)
	}
	s.write(t, "letter", "hello\x00")
	s.write(t, "envelope", `{"to":"ada"}`)
	for _, flags := range []string{"", "--typ letter+jwe --cty text", "--serialization general", "--header @envelope --serialization flattened"} {
		s.must(t, "", "jwe encrypt --key ada "+flags+" --in @letter --out @message")
		s.must(t, "", "jwe decrypt --in @message --key ada --out @opened")
		assert.Equal(t, "hello\x00", s.read(t, "opened"), flags)
	}
	s.must(t, "", "jwe encrypt --key ada --key bob --aad @envelope --in @letter --out @message")
	for _, key := range []string{"ada", "bob"} {
		s.must(t, "", "jwe decrypt --in @message --key "+key+" --out @opened --aad-out @aad")
		assert.Equal(t, []string{"hello\x00", `{"to":"ada"}`}, []string{s.read(t, "opened"), s.read(t, "aad")})
	}
	s.refuses(t, "x", "jwe encrypt --key signer", "a key signs or encrypts, never both")

	whole := strings.TrimSpace(s.must(t, "x", "jwe encrypt --key bob"))
	s.refuses(t, whole[:len(whole)-4]+"AAAA", "jwe decrypt --out @broken", "the message was changed, or is for another key")
	assert.NoFileExists(t, s.path("broken"))
	s.refuses(t, "a.b.c.d.e", "jwe decrypt", "invalid_jwe")
}

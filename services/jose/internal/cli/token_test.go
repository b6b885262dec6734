package cli_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/jose/client"
)

const profileOfShop = " --issuer https://shop.example --audience api,web"

func TestProfile_IsMadeChangedAndDeleted(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.must(t, "", "key create --name tokens --algorithm ES256")
	s.must(t, "", "key create --name box --algorithm A256GCM/A256KW")
	s.must(t, "", "profile create --name access --key tokens --typ at+jwt --lifetime 10m --clock-skew 0s --revocation"+profileOfShop)
	s.must(t, "", "profile create --name partner --jwks-uri https://partner.example/jwks.json --algorithms ES256,PS256"+profileOfShop)
	assert.Regexp(t, `NAME +ID +TYP +ISSUER +AUDIENCE +LIFETIME\naccess +\S+ +at\+jwt +https://shop.example +api web +10m0s\npartner `, s.must(t, "", "profile list"))
	assert.Regexp(t, `Algorithms +ES256 PS256\n`, s.must(t, "", "profile get partner"))
	get := func(line string) (p client.Profile) {
		require.NoError(t, json.Unmarshal([]byte(s.must(t, "", line+" --output json")), &p))
		return p
	}
	made := get("profile get access")
	assert.Equal(t, []any{int64(600), int64(0), true, []string{"api", "web"}}, []any{made.LifetimeSeconds, made.ClockSkewSeconds, made.Revocation, made.Audience})
	boxed := get("profile update access --encryption-key box --required-claims sub --lifetime 1m")
	require.NotNil(t, boxed.EncryptionKey)
	assert.Equal(t, []any{[]string{"sub"}, int64(60)}, []any{boxed.RequiredClaims, boxed.LifetimeSeconds})
	assert.Regexp(t, `Inflates to +at most 4096 bytes\n`, s.must(t, "", "profile update access --max-inflated 4096"))
	s.refuses(t, "", "profile update access --max-inflated 65537", "/max_inflated_bytes")
	s.refuses(t, "", "profile update access --encryption-key=", "has no encryption_key")
	assert.NotContains(t, s.must(t, "", "profile update access --max-inflated 0"), "Inflates")
	bare := get("profile update access --encryption-key= --required-claims=")
	assert.Nil(t, bare.EncryptionKey)
	assert.Empty(t, bare.RequiredClaims)
	s.refuses(t, "", "profile create --name access --key tokens"+profileOfShop, "choose another name")
	s.refuses(t, "", "profile create --name other --key box"+profileOfShop, "`key get` shows what the key is for")
	assert.Equal(t, "profile access is deleted\n", s.must(t, "", "profile delete access"))
	s.refuses(t, "", "profile get access", "`profile list` its profiles")
}

func TestJWT_IsIssuedVerifiedAndRevoked(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.must(t, "", "key create --name tokens --algorithm ES256")
	s.must(t, "", "key create --name box --algorithm A256GCM/ECDH-ES+A256KW")
	s.must(t, "", "profile create --name access --key tokens --required-claims sub --revocation"+profileOfShop)
	s.must(t, "", "profile create --name nested --key tokens --encryption-key box --typ nested+jwt"+profileOfShop)
	s.must(t, `{"n":9007199254740993}`, "jwt issue --profile access --subject ada --audience api --lifetime 1m --claims - --out @ada.jwt")
	claims := s.must(t, s.read(t, "ada.jwt"), "jwt verify --profile access")
	assert.Contains(t, claims, "9007199254740993")
	var read struct {
		Iss, Sub, Jti string
		Exp, Iat      int64
	}
	require.NoError(t, json.Unmarshal([]byte(claims), &read))
	assert.Equal(t, []any{"https://shop.example", "ada", int64(60)}, []any{read.Iss, read.Sub, read.Exp - read.Iat})

	s.refuses(t, "", "jwt issue --profile access", "`profile get` shows")
	s.refuses(t, "", "jwt verify --profile nested --in @ada.jwt", "token_")
	s.must(t, "", "jwt issue --profile nested --out @nested.jwt")
	var verified client.VerifiedToken
	require.NoError(t, json.Unmarshal([]byte(s.must(t, "", "jwt verify --profile nested --in @nested.jwt --output json")), &verified))
	assert.NotNil(t, verified.Recipient)

	assert.Contains(t, s.must(t, "", "jwt revoke --profile access --jti "+read.Jti+" --expires "+time.Unix(read.Exp, 0).UTC().Format(time.RFC3339)), "token "+read.Jti+" is refused")
	s.refuses(t, "", "jwt verify --profile access --in @ada.jwt", "issue another one with `jwt issue`")
	s.refuses(t, "", "jwt revoke --profile nested --jti x", "`profile get` what a profile is for")
}

func TestSDJWT_HolderShowsWhatHeChooses(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.must(t, "", "key create --name issuer --algorithm ES256")
	s.must(t, "", "key create --name wallet --algorithm Ed25519")
	s.must(t, "", "profile create --name card --key issuer --typ dc+sd-jwt"+profileOfShop)
	s.must(t, "", "key public wallet --out @wallet.pem")
	s.write(t, "claims", `{"name":"Ada","address":{"city":"Rome"}}`)
	s.must(t, "", "sd-jwt issue --profile card --subject ada --claims @claims --selective /name --selective /address --decoys 2 --hash sha-384 --holder @wallet.pem --out @card")
	assert.Contains(t, s.must(t, s.read(t, "card"), "sd-jwt verify --profile card"), "Ada")

	s.must(t, "", "sd-jwt present --in @card --disclose /address --key wallet --audience https://bar.example --nonce n-1 --out @shown")
	seen := s.must(t, "", "sd-jwt verify --profile card --in @shown --audience https://bar.example --nonce n-1 --max-age 1m")
	assert.Contains(t, seen, "Rome")
	assert.NotContains(t, seen, "Ada")
	assert.Contains(t, s.must(t, "", "sd-jwt verify --profile card --in @shown --audience https://bar.example --nonce n-1 --output json"), "holder_jwk")
	s.refuses(t, "", "sd-jwt verify --profile card --in @shown --audience https://bar.example --nonce n-2", "a proof must be for this --audience and --nonce")
	bare := s.must(t, "", "sd-jwt present --in @card")
	s.refuses(t, bare, "sd-jwt verify --profile card --audience https://bar.example --nonce n-1", "invalid_sd_jwt")
	assert.NotContains(t, s.must(t, bare, "sd-jwt verify --profile card"), "Rome")

	s.must(t, "", "key create --name spare --algorithm ES256 --exportable")
	s.refuses(t, "", "sd-jwt issue --profile card --claims @absent", "no file")
	s.refuses(t, "", "sd-jwt present --in @card --disclose /nobody", "validation_failed")
}

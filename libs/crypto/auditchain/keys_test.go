package auditchain_test

import (
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/auditchain"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

func TestKeys_ComeAsSetAsKeyAndAsPEM(t *testing.T) {
	t.Parallel()
	key := public(t, signer(t, 1))
	single, err := key.MarshalPublic()
	require.NoError(t, err)
	der, err := x509.MarshalPKIXPublicKey(key.Material())
	require.NoError(t, err)
	for name, text := range map[string]string{
		"set": `{"keys":[` + string(single) + `]}`, "key": string(single),
		"PEM": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
	} {
		keys, err := auditchain.ParseKeys([]byte(text))
		require.NoError(t, err, name)
		require.Len(t, keys, 1, name)
		assert.Equal(t, key.ThumbprintSHA256(), keys[0].ThumbprintSHA256(), name)
	}
	for _, text := range []string{"", "x", "{}", `{"keys":[]}`, "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"} {
		_, err := auditchain.ParseKeys([]byte(text))
		require.Error(t, err, text)
	}
}

func TestFindCheckpoints_ReadsALog(t *testing.T) {
	t.Parallel()
	s := newSample(t).events(1)
	jws, err := s.state().Sign(s.key)
	require.NoError(t, err)
	forged, err := s.state().Sign(signer(t, 2))
	require.NoError(t, err)
	log := `{"msg":"audit checkpoint","checkpoint":"` + jws + `"}` + "\nlevel=INFO checkpoint=" + jws + "\ncheckpoint=" + forged + " eyJx.eyJx.x\n"
	found, err := auditchain.FindCheckpoints(strings.NewReader(log), []*jwk.Key{public(t, s.key)})
	require.NoError(t, err)
	assert.Equal(t, []auditchain.Checkpoint{s.state(), s.state()}, found)
}

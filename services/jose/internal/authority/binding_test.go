package authority_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"

	"github.com/cryptoutil/cryptoutil/services/jose/internal/authority"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

// What was wrapped before keys could be kept by a KMS opens as it did, and what a KMS keeps is bound to where it is.
func TestBinding_OfOwnKeysIsWhatItWas(t *testing.T) {
	t.Parallel()
	key := authority.Key{Tenant: "a", ID: "k", Algorithm: "ES256", Curve: "P-256", Use: "sign"}
	version := authority.Version{Tenant: "a", KeyID: "k", ID: "v", Number: 2, Origin: authority.OriginGenerated}
	own := []barrier.Attribute{
		{Name: "key_id", Value: "k"},
		{Name: "algorithm", Value: "ES256"},
		{Name: "key_size", Value: "0"},
		{Name: "curve", Value: "P-256"},
		{Name: "use", Value: "sign"},
		{Name: "origin", Value: "generated"},
		{Name: "exportable", Value: "false"},
	}
	assert.Equal(t, own, authority.Binding(key, version).Attributes)

	for name, change := range map[string]func(*authority.Key, *authority.Version){
		"key":     func(k *authority.Key, _ *authority.Version) { k.KMSKey = "e" },
		"version": func(_ *authority.Key, v *authority.Version) { v.KMSVersion = 3 },
	} {
		k, v := key, version
		change(&k, &v)
		assert.NotEqual(t, own, authority.Binding(k, v).Attributes, name)
	}
}

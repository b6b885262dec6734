package httpapi

import (
	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"

	"github.com/cryptoutil/cryptoutil/services/jose/internal/authority"
)

// trusted is what a patch can change of the keys in headers that a profile trusts.
type trusted struct {
	Thumbprints []string `json:"jwk_thumbprints,omitempty"`
	Anchors     []string `json:"anchors,omitempty"`
	Names       []string `json:"names,omitempty"`
	KeySetURLs  []string `json:"jku,omitempty"`
	ChainURLs   []string `json:"x5u,omitempty"`
}

func (t trusted) domain() authority.TrustedKeys { return authority.TrustedKeys(t) }

// writableTrusted is nil where nothing is trusted.
func writableTrusted(t authority.TrustedKeys) *trusted {
	if !t.Any() {
		return nil
	}
	return new(trusted(t))
}

func trustedOf(b TrustedKeys) authority.TrustedKeys {
	return authority.TrustedKeys{
		Thumbprints: apivalue.Of(b.JwkThumbprints), Anchors: apivalue.Of(b.Anchors), Names: apivalue.Of(b.Names),
		KeySetURLs: apivalue.Of(b.Jku), ChainURLs: apivalue.Of(b.X5u),
	}
}

func trustedKeys(t authority.TrustedKeys) *TrustedKeys {
	list := func(items []string) *[]string {
		if len(items) == 0 {
			return nil
		}
		return &items
	}
	return &TrustedKeys{
		JwkThumbprints: list(t.Thumbprints), Anchors: list(t.Anchors), Names: list(t.Names), Jku: list(t.KeySetURLs), X5u: list(t.ChainURLs),
	}
}

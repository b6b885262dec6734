package revocation_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// FuzzTakeStaple alters a genuine response that says revoked: whatever comes of it, it does not say good.
func FuzzTakeStaple(f *testing.F) {
	p := newPKI(f)
	leaf := p.leaf(f, "", "")
	r := p.good(f, leaf)
	r.data.Singles[0].Good, r.data.Singles[0].Revoked = false, revokedInfo{At: time.Now().UTC(), Reason: 1}
	f.Add(r.der(f))
	r.embed = []*issued{p.ca, leaf}
	f.Add(r.der(f))
	r.data.Singles[0].ID = oldIDOf(f, leaf.certificate, p.ca.certificate)
	f.Add(r.der(f))
	f.Add([]byte{0x30, 0x03, 0x0a, 0x01, 0x06})
	k := p.checker(f)
	f.Fuzz(func(t *testing.T, response []byte) {
		k.TakeStaple(p.chain(leaf), response)
		require.Error(t, k.Check(t.Context(), p.chain(leaf)))
	})
}

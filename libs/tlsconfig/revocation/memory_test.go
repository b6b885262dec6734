package revocation_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/tlsconfig/revocation"
)

func TestCheck_StaysRightWhenItsMemoryIsFull(t *testing.T) {
	t.Parallel()
	p := newPKI(t)
	k := p.checker(t, func(c *revocation.Config, _ *revocation.Options) { c.MaxCertificates, c.MaxLists = 4, 1 })
	var leaves, revoked []*issued
	for i := range 24 {
		leaf := p.leaf(t, "", []string{"/a", "/b"}[i%2])
		leaves = append(leaves, leaf)
		if i%3 == 0 {
			revoked = append(revoked, leaf)
		}
	}
	p.serve("/a", p.list(t, 1, revoked))
	p.serve("/b", p.list(t, 1, revoked))
	for range 2 {
		for i, leaf := range leaves {
			assert.Equal(t, i%3 == 0, k.Check(t.Context(), p.chain(leaf)) != nil)
		}
	}
}

func TestCheck_AnswersFromMemoryWithoutAllocating(t *testing.T) { //nolint:paralleltest // allocations are counted for the whole process
	p := newPKI(t)
	leaf := p.leaf(t, "/ocsp", "")
	p.on("/ocsp", p.witness(t))
	k := p.checker(t)
	chain := p.chain(leaf)
	require.NoError(t, k.Check(t.Context(), chain))
	ctx := t.Context()
	assert.Zero(t, testing.AllocsPerRun(100, func() { _ = k.Check(ctx, chain) }))
}

func BenchmarkCheck(b *testing.B) {
	p := newPKI(b)
	leaf := p.leaf(b, "/ocsp", "")
	p.on("/ocsp", p.witness(b))
	k := p.checker(b, func(_ *revocation.Config, o *revocation.Options) { o.Now = nil })
	chain := p.chain(leaf)
	require.NoError(b, k.Check(b.Context(), chain))
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		_ = k.Check(ctx, chain)
	}
}

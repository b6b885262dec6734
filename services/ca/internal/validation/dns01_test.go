package validation_test

import (
	"crypto/sha256"
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/validation"
)

func digestText() string {
	sum := sha256.Sum256([]byte(keyAuthorization))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func TestDNS01_FindsTheDigestAmongOtherTexts(t *testing.T) {
	t.Parallel()
	z := hosts()
	z.texts["_acme-challenge.example.com"] = []string{"v=spf1 -all", digestText()}
	l := local(t, validation.LocalConfig{Resolver: z})
	assert.NoError(t, l.Prove(t.Context(), attempt(validation.DNS01, domain(t, "example.com"))))
	assert.NoError(t, l.Prove(t.Context(), attempt(validation.DNS01, domain(t, "*.example.com"))), "of a wildcard the name below which it stands is looked at")
}

func TestDNS01_RefusesOtherTexts(t *testing.T) {
	t.Parallel()
	z := hosts()
	z.texts["_acme-challenge.a.example.com"] = []string{keyAuthorization, digestText() + "=", " " + digestText()}
	z.texts["_acme-challenge.b.example.com"] = nil
	z.texts["c.example.com"] = []string{digestText()}
	z.failing["_acme-challenge.d.example.com"] = true
	l := local(t, validation.LocalConfig{Resolver: z})
	for name, kind := range map[string]validation.Kind{
		"a.example.com": validation.KindUnauthorized, "b.example.com": validation.KindUnauthorized, "c.example.com": validation.KindDNS, "d.example.com": validation.KindDNS,
	} {
		refused(t, kind, l.Prove(t.Context(), attempt(validation.DNS01, domain(t, name))))
	}
	refused(t, validation.KindMalformed, l.Prove(t.Context(), attempt(validation.DNS01, ip(t, "192.0.2.1"))))
}

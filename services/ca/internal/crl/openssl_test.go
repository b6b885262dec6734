package crl_test

import (
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/crl"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/reason"
)

// TestEncode_IsReadByOpenSSL also has it verify the signature.
func TestEncode_IsReadByOpenSSL(t *testing.T) {
	t.Parallel()
	for name, key := range keys(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAuthority(t, key)
			l := a.list(func(l *crl.List) {
				l.Number, l.Base = big.NewInt(0x1234), big.NewInt(0x1233)
				l.Scope = &crl.Scope{URLs: []string{"http://crl.example/3.crl"}, OnlyUsers: true}
			})
			text := openSSL(t, a, a.encode(t, l, some(
				crl.Entry{Serial: []byte{0xab, 0xcd}, RevokedAt: now, Reason: reason.RemoveFromCRL},
				crl.Entry{Serial: []byte{0x12}, RevokedAt: now, Reason: reason.CACompromise, InvalidAt: now},
			)))
			for _, want := range []string{
				"Version 2 (0x1)", "verify OK", "CN = crl test", "X509v3 Delta CRL Indicator: critical", "X509v3 Issuing Distribution Point: critical",
				"URI:http://crl.example/3.crl", "Only User Certificates", "Serial Number: ABCD", "Remove From CRL", "Serial Number: 12", "CA Compromise",
				"Invalidity Date", "Nov 22 09:00:00 2026 GMT",
			} {
				assert.Contains(t, text, want)
			}
		})
	}
}

// openSSL prints a list and checks its signature.
func openSSL(t *testing.T, a authority, der []byte) string {
	t.Helper()
	requireTool(t, "openssl")
	folder := t.TempDir()
	list, issuer := filepath.Join(folder, "list.crl"), filepath.Join(folder, "issuer.pem")
	require.NoError(t, os.WriteFile(list, der, 0o600))
	require.NoError(t, os.WriteFile(issuer, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw}), 0o600))
	out, err := exec.CommandContext(t.Context(), "openssl", "crl", "-inform", "DER", "-in", list, "-text", "-noout", "-CAfile", issuer).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return strings.ReplaceAll(string(out), "\n", " ")
}

func requireTool(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err == nil {
		return
	}
	if os.Getenv("CRYPTOUTIL_TEST_REQUIRED") == "1" {
		t.Fatalf("the program %s is not installed, and CRYPTOUTIL_TEST_REQUIRED=1 requires it", name)
	}
	t.Skipf("the program %s is not installed; the test does not run", name)
}

package outagetest_test

import (
	"crypto/x509"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig/revocation"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// forThisMachine makes a server's certificate of one for a client.
func forThisMachine(c *x509.Certificate) {
	c.ExtKeyUsage, c.DNSNames, c.IPAddresses = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}
}

// A peer whose certificate is revoked is no peer, and one whose status nobody tells only where the configuration is permissive.
func TestPeer_ARevokedCertificateIsNotBelieved(t *testing.T) {
	t.Parallel()
	const announced = `{"product":"kms","apis":["v1"]}`
	answer := "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 31\r\nConnection: close\r\n\r\n" + announced
	for _, c := range []struct {
		name, mode       string
		revoked, silent  bool
		responder, reach string // who tells, and what healthz then says
	}{
		{name: "good by OCSP", mode: revocation.ModeStrict, responder: "ocsp"},
		{name: "good by list", mode: revocation.ModeStrict, responder: "crl"},
		{name: "revoked by OCSP", mode: revocation.ModeStrict, responder: "ocsp", revoked: true, reach: "revoked"},
		{name: "revoked by list", mode: revocation.ModePermissive, responder: "crl", revoked: true, reach: "revoked"},
		{name: "nobody answers, strict", mode: revocation.ModeStrict, responder: "ocsp", silent: true, reach: "status"},
		{name: "nobody answers, permissive", mode: revocation.ModePermissive, responder: "ocsp", silent: true},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			pki := kmstest.NewClientPKI(t)
			names := map[string]func(*x509.Certificate){"ocsp": pki.ByOCSP, "crl": pki.ByList}
			certificate := pki.Client(t, "peer", forThisMachine, names[c.responder])
			if c.revoked {
				pki.Revoke(certificate)
			}
			pki.SetSilent(c.silent)
			peer := kmstest.NewStand(t)
			peer.Become(answering(certificate, answer))
			cfg, files := kmstest.Prepare(t, database.EngineSQLite)
			kmstest.Federated(t, &cfg, peer, false, pki.File)
			cfg.Revocation.Mode, cfg.Revocation.AllowAddresses = c.mode, []string{"127.0.0.1"}
			s := kmstest.Run(t, cfg, files)
			require.Eventually(t, func() bool {
				_, _, status, detail := s.Check(t, "healthz", "peer-kms")
				if c.reach == "" {
					return status == "ok"
				}
				return status != "ok" && strings.Contains(detail, c.reach)
			}, mostSearch, 20*time.Millisecond, "what healthz says of the peer")
		})
	}
}

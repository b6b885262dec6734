package revocation_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	witness "golang.org/x/crypto/ocsp"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/issuance"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/location"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/revocation"
)

// issued is a certificate in the inventory.
type issued struct {
	serial certificate.Serial
	row    issuance.Certificate
}

func (i issued) String() string { return i.serial.String() }

// issue puts a certificate into the inventory.
func (r *replica) issue(t testing.TB, change ...func(*issuance.Certificate)) issued {
	t.Helper()
	serial := certificate.NewSerial()
	spki := sha256.Sum256(serial)
	row := issuance.Certificate{
		Tenant: tenant, Serial: serial.String(), CAID: "ca", Profile: "internal-tls", State: issuance.Intended, NotBefore: r.clock.read(),
		NotAfter: r.clock.read().Add(30 * 24 * time.Hour), SPKISHA256: spki[:], DER: []byte{0x30, 0}, Channel: issuance.ByREST, Lineage: serial.String(),
		CreatedAt: r.clock.read(),
	}
	for _, c := range change {
		c(&row)
	}
	require.NoError(t, r.store.Intend(t.Context(), row.Tenant, []issuance.Intent{{Certificate: row, Record: func(context.Context) error { return nil }}}))
	if row.State == issuance.Issued {
		return issued{serial, row}
	}
	require.NoError(t, r.store.Complete(t.Context(), row.Tenant, []issuance.Outcome{{Serial: row.Serial, DER: row.DER, At: r.clock.read()}}))
	return issued{serial, row}
}

// intend leaves one behind as a crash does.
func (r *replica) intend(t testing.TB) issued {
	t.Helper()
	i := r.issue(t, func(c *issuance.Certificate) { c.State = issuance.Issued }) // keeps issue from completing it
	_, err := r.db.Exec(t.Context(), `UPDATE ca_certificates SET state = 'intended' WHERE serial = $1`, i.String())
	require.NoError(t, err)
	return i
}

// list reads a published list as somebody else does, and checks its signature and length.
func (r *replica) list(t testing.TB, ca, name string) *x509.RevocationList {
	t.Helper()
	list, err := r.lists.Find(t.Context(), tenant, ca, name)
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, r.lists.WriteTo(t.Context(), &out, list))
	assert.EqualValues(t, list.Size, out.Len())
	parsed, err := x509.ParseRevocationList(out.Bytes())
	require.NoError(t, err)
	issuer, err := r.cas.Issuer(t.Context(), tenant, ca)
	require.NoError(t, err)
	require.NoError(t, parsed.CheckSignatureFrom(issuer.Certificate))
	assert.Len(t, parsed.RevokedCertificateEntries, int(list.Entries))
	assert.Equal(t, list.Number, parsed.Number.Int64())
	return parsed
}

// reasons are the entries of a list by serial number.
func reasons(list *x509.RevocationList) map[string]int {
	all := map[string]int{}
	for _, e := range list.RevokedCertificateEntries {
		all[certificate.Serial(e.SerialNumber.Bytes()).String()] = e.ReasonCode
	}
	return all
}

// question is an OCSP request about a serial number under a CA.
func (r *replica) question(t testing.TB, ca string, serial certificate.Serial) []byte {
	t.Helper()
	issuer, err := r.cas.Issuer(t.Context(), tenant, ca)
	require.NoError(t, err)
	request, err := witness.CreateRequest(&x509.Certificate{SerialNumber: serial.Int()}, issuer.Certificate, &witness.RequestOptions{Hash: 5})
	require.NoError(t, err)
	return request
}

// ask asks a replica's responder and has somebody else verify the answer.
func (r *replica) ask(t testing.TB, ca string, serial certificate.Serial) *witness.Response {
	t.Helper()
	answer, err := r.responder.Answer(t.Context(), tenant, ca, r.question(t, ca, serial))
	require.NoError(t, err)
	issuer, err := r.cas.Issuer(t.Context(), tenant, ca)
	require.NoError(t, err)
	response, err := witness.ParseResponse(answer.DER, issuer.Certificate)
	require.NoError(t, err)
	require.Equal(t, serial.Int(), response.SerialNumber)
	return response
}

// leaf issues a genuine certificate that names the responder and lists of its CA at a server.
func (r *replica) leaf(t testing.TB, ca, base string, shard int) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	i := r.issue(t, func(c *issuance.Certificate) { c.CAID, c.Shard = ca, max(shard, 0) })
	issuer, err := r.cas.Issuer(t.Context(), tenant, ca)
	require.NoError(t, err)
	signer, release, err := r.cas.Signer(t.Context(), tenant, ca)
	require.NoError(t, err)
	defer release()
	template := &x509.Certificate{
		SerialNumber: i.serial.Int(), Subject: pkix.Name{CommonName: "leaf"}, NotBefore: i.row.NotBefore.Add(-time.Hour), NotAfter: i.row.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
	at := locate(base, ca)
	if shard < 0 {
		template.OCSPServer = []string{at.OCSP()}
	} else {
		template.CRLDistributionPoints = []string{at.CRL(shard)}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer.Certificate, key.Public(), signer)
	require.NoError(t, err)
	parsed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return parsed
}

// revoke revokes as an officer.
func (r *replica) revoke(t testing.TB, order revocation.Order) revocation.Certificate {
	t.Helper()
	c, err := r.registry.Revoke(t.Context(), officer(), order)
	require.NoError(t, err)
	return c
}

func locate(base, ca string) location.Base { return location.Of(base, tenant, ca) }

// extensionOf is the value of the extension 2.5.29.last of a list; nil without it.
func extensionOf(list *x509.RevocationList, last int) []byte {
	for _, e := range list.Extensions {
		if e.Id.Equal([]int{2, 5, 29, last}) {
			return e.Value
		}
	}
	return nil
}

func serialOf(t testing.TB, c *x509.Certificate) string {
	t.Helper()
	serial, err := certificate.SerialOf(c.SerialNumber)
	require.NoError(t, err)
	return serial.String()
}

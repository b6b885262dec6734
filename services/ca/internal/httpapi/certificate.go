package httpapi

import (
	"context"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/naming"
	"github.com/cryptoutil/cryptoutil/libs/server/page"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/hierarchy"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/issuance"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/profile"
)

// IssueCertificate implements POST /certificates.
func (h *Operations) IssueCertificate(ctx context.Context, r IssueCertificateRequestObject) (IssueCertificateResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	b := r.Body
	order := issuance.Order{CA: naming.Ref(apivalue.Of(b.Ca)), Profile: b.Profile, Channel: issuance.ByREST}
	if order.Request, err = request("/csr", b.Csr); err != nil {
		return nil, err
	}
	order.Asked = issuance.Asked{
		Subject: attributesOf(b.Subject), NotBefore: apivalue.Of(b.NotBefore), Validity: time.Duration(apivalue.Of(b.ValiditySeconds)) * time.Second,
	}
	if order.Asked.SAN, err = namesOf(b.Names); err != nil {
		return nil, err
	}
	made, err := h.issuer.Issue(ctx, who, order)
	if err != nil {
		return nil, err
	}
	aboutCertificate(ctx, made.Serial)
	shown, err := h.certificate(ctx, made)
	return IssueCertificate201JSONResponse{Body: shown, Headers: IssueCertificate201ResponseHeaders{Location: locationOfCertificate(0, made)}}, err
}

// RenewCertificate implements POST /certificates/{serial}/renew.
func (h *Operations) RenewCertificate(ctx context.Context, r RenewCertificateRequestObject) (RenewCertificateResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	aboutCertificate(ctx, r.Serial)
	ask := issuance.Renewal{Serial: r.Serial}
	if r.Body != nil {
		ask.Validity = time.Duration(apivalue.Of(r.Body.ValiditySeconds)) * time.Second
		if r.Body.Csr != nil {
			if ask.Request, err = request("/csr", *r.Body.Csr); err != nil {
				return nil, err
			}
		}
	}
	made, err := h.issuer.Renew(ctx, who, ask)
	if err != nil {
		return nil, err
	}
	aboutCertificate(ctx, made.Serial)
	shown, err := h.certificate(ctx, made)
	return RenewCertificate201JSONResponse{Body: shown, Headers: RenewCertificate201ResponseHeaders{Location: locationOfCertificate(2, made)}}, err
}

// GetCertificate implements GET /certificates/{serial}.
func (h *Operations) GetCertificate(ctx context.Context, request GetCertificateRequestObject) (GetCertificateResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	aboutCertificate(ctx, request.Serial)
	found, err := h.issuer.Get(ctx, who, request.Serial)
	if err != nil {
		return nil, err
	}
	shown, err := h.certificate(ctx, found)
	return GetCertificate200JSONResponse(shown), err
}

// ListCertificates implements GET /certificates.
func (h *Operations) ListCertificates(ctx context.Context, request ListCertificatesRequestObject) (ListCertificatesResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	p := request.Params
	filter := issuance.List{
		Name: apivalue.Of(p.Name), CAID: apivalue.Of(p.Ca), Profile: apivalue.Of(p.Profile), State: issuance.State(apivalue.Of(p.State)),
		Requester: apivalue.Of(p.Requester), Lineage: apivalue.Of(p.Lineage), ExpiresAfter: apivalue.Of(p.ExpiresAfter), ExpiresBefore: apivalue.Of(p.ExpiresBefore),
	}
	if p.SpkiSha256 != nil {
		if filter.SPKISHA256, err = apivalue.Decode("/spki_sha256", *p.SpkiSha256); err != nil {
			return nil, err
		}
	}
	if !naming.Storable(filter.Name) || !naming.Storable(filter.Requester) {
		return nil, problem.New(problem.ValidationFailed, "a filter is UTF-8 without U+0000")
	}
	list := page.List{Tenant: who.Tenant, Name: "certificates", Sort: "created_at", Filter: []string{
		filter.Name, filter.CAID, filter.Profile, string(filter.State), filter.Requester, filter.Lineage, string(filter.SPKISHA256),
		filter.ExpiresAfter.UTC().String(), filter.ExpiresBefore.UTC().String(),
	}}
	found, cursor, err := page.Read(h.cursors, list, p.Limit, p.Cursor, func(after string, limit int) (_ []issuance.Certificate, err error) {
		if filter.After, err = placeOf(after); err != nil {
			return nil, err
		}
		filter.Limit = limit
		return h.issuer.List(ctx, who, filter)
	}, func(c issuance.Certificate) string {
		return strconv.FormatInt(c.CreatedAt.UnixMicro(), 10) + "." + c.Serial
	})
	if err != nil {
		return nil, err
	}
	now := h.now()
	return ListCertificates200JSONResponse{Items: apivalue.Each(found, func(c issuance.Certificate) Certificate { return certificateOf(c, now) }), NextCursor: cursor}, nil
}

// placeOf reads the sort key of a cursor.
func placeOf(key string) (issuance.Place, error) {
	micros, serial, _ := strings.Cut(key, ".")
	number, err := page.Number(micros)
	if err != nil || key == "" {
		return issuance.Place{}, err
	}
	return issuance.Place{CreatedAt: time.UnixMicro(number), Serial: serial}, nil
}

// certificate is a certificate with its chain.
func (h *Operations) certificate(ctx context.Context, c issuance.Certificate) (Certificate, error) {
	shown := certificateOf(c, h.now())
	if c.State == issuance.Intended {
		return shown, nil
	}
	issuer, err := h.hierarchy.Fact(ctx, c.Tenant, naming.Ref(c.CAID))
	if err != nil {
		return Certificate{}, err
	}
	chain := [][]byte{c.DER}
	if c.CAID != "" && len(issuer.Certificates) > 0 && string(issuer.Certificates[0].DER) != string(c.DER) {
		above, err := h.hierarchy.Chain(ctx, issuer, 0)
		if err != nil {
			return Certificate{}, err
		}
		chain = append(chain, withoutRoot(issuer, above)...)
	}
	shown.Certificate, shown.Chain = apivalue.Optional(text(c.DER)), apivalue.Optional(text(chain...))
	return shown, nil
}

// withoutRoot leaves out the root at the end of a chain: whoever checks it has it, or must not take it from here (RFC 8446 section 4.4.2).
func withoutRoot(issuer hierarchy.Fact, chain [][]byte) [][]byte {
	if len(chain) > 1 || issuer.CA.Kind == hierarchy.Root {
		return chain[:len(chain)-1]
	}
	return chain
}

// certificateOf encodes a certificate without its chain. Its names are those of the certificate itself.
func certificateOf(c issuance.Certificate, now time.Time) Certificate {
	shown := Certificate{
		Serial: c.Serial, CaId: c.CAID, Profile: c.Profile, State: CertificateState(c.State), Expired: apivalue.Optional(now.After(c.NotAfter)), Subject: c.Subject,
		Names: shownNames(c.Names()), NotBefore: apivalue.Timestamp(c.NotBefore), NotAfter: apivalue.Timestamp(c.NotAfter), SpkiSha256: apivalue.Encode(c.SPKISHA256),
		Requester: c.Requester, Channel: apivalue.Optional(string(c.Channel)), Lineage: c.Lineage, Replaces: apivalue.Optional(c.Replaces),
		RevokedAt: apivalue.OptionalTimestamp(c.RevokedAt), CreatedAt: apivalue.Timestamp(c.CreatedAt),
	}
	if c.State == issuance.Revoked {
		shown.Reason = &c.Reason
	}
	return shown
}

// shownNames encodes names.
func shownNames(san certificate.SAN) Names {
	some := func(names []string) *[]string {
		if len(names) == 0 {
			return nil
		}
		return &names
	}
	return Names{
		Dns: some(san.DNS), Ip: some(apivalue.Each(san.IP, netip.Addr.String)), Email: some(san.Email), Uri: some(san.URI), Upn: some(san.UPN),
	}
}

// namesOf decodes names; nil for none.
func namesOf(n *Names) (*certificate.SAN, error) {
	if n == nil {
		return nil, nil
	}
	san := &certificate.SAN{DNS: apivalue.Of(n.Dns), Email: apivalue.Of(n.Email), URI: apivalue.Of(n.Uri), UPN: apivalue.Of(n.Upn)}
	for i, text := range apivalue.Of(n.Ip) {
		ip, err := netip.ParseAddr(text)
		if err != nil || ip.Zone() != "" {
			return nil, apivalue.Invalid("/names/ip/"+strconv.Itoa(i), "%q is no IP address", text)
		}
		san.IP = append(san.IP, ip.Unmap())
	}
	return san, nil
}

// attributesOf decodes a subject in the order in which it is encoded; nil for none.
func attributesOf(s *Subject) []profile.Named {
	if s == nil {
		return nil
	}
	all := []profile.Named{}
	for _, a := range []struct {
		name  string
		value *string
	}{
		{"C", s.Country}, {"ST", s.Province}, {"L", s.Locality}, {"O", s.Organization}, {"OU", s.OrganizationalUnit}, {"CN", s.CommonName},
	} {
		if a.value != nil {
			all = append(all, profile.Named{Name: a.name, Value: *a.value})
		}
	}
	return all
}

// locationOfCertificate is the path of a certificate, relative to an operation so many steps below the collection of CAs or certificates.
func locationOfCertificate(steps int, c issuance.Certificate) *string {
	return apivalue.Optional(strings.Repeat("../", steps) + "certificates/" + c.Serial)
}

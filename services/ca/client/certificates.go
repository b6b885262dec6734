package client

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/apiclient"
)

// IssueCertificate has a certificate issued by a profile, for the key of a certificate request.
func (c *Authority) IssueCertificate(ctx context.Context, spec IssueCertificate) (*Certificate, error) {
	params := IssueCertificateParams{IdempotencyKey: once()}
	return call[Certificate](ctx, c, fmt.Sprintf("issue by profile %q", spec.Profile), func(ctx context.Context) (*http.Response, error) {
		return c.api.IssueCertificate(ctx, &params, spec)
	})
}

// RenewCertificate has a certificate take the place of another.
func (c *Authority) RenewCertificate(ctx context.Context, serial string, spec RenewCertificate) (*Certificate, error) {
	params := RenewCertificateParams{IdempotencyKey: once()}
	return about[Certificate](ctx, c, "renew certificate", serial, func(ctx context.Context) (*http.Response, error) {
		return c.api.RenewCertificate(ctx, serial, &params, spec)
	})
}

// GetCertificate returns a certificate with its chain.
func (c *Authority) GetCertificate(ctx context.Context, serial string) (*Certificate, error) {
	return about[Certificate](ctx, c, "get certificate", serial, func(ctx context.Context) (*http.Response, error) { return c.api.GetCertificate(ctx, serial) })
}

// CertificateFilter selects certificates; empty fields select all.
type CertificateFilter struct {
	Name, CA, Profile, Requester, Lineage string
	State                                 CertificateState
	SPKISHA256                            []byte
	ExpiresAfter, ExpiresBefore           time.Time
}

// ListCertificates yields the certificates that filter selects in order of creation, fetching pages as they are needed. It ends after the
// first error.
func (c *Authority) ListCertificates(ctx context.Context, filter CertificateFilter) iter.Seq2[Certificate, error] {
	params := ListCertificatesParams{
		Limit: new(apiclient.PageSize), Name: apiclient.Given(filter.Name), CA: apiclient.Given(filter.CA), Profile: apiclient.Given(filter.Profile),
		State: apiclient.Given(filter.State), Requester: apiclient.Given(filter.Requester), Lineage: apiclient.Given(filter.Lineage),
		ExpiresAfter: apiclient.Given(filter.ExpiresAfter), ExpiresBefore: apiclient.Given(filter.ExpiresBefore),
	}
	if filter.SPKISHA256 != nil {
		params.SPKISha256 = new(EncodeBytes(filter.SPKISHA256))
	}
	return apiclient.Pages(func(cursor *string) ([]Certificate, *string, error) {
		params.Cursor = cursor
		page, err := call[CertificatePage](ctx, c, "list certificates", func(ctx context.Context) (*http.Response, error) {
			return c.api.ListCertificates(ctx, &params)
		})
		if err != nil {
			return nil, nil, err
		}
		return page.Items, page.NextCursor, nil
	})
}

// ListProfiles returns all profiles, without their text.
func (c *Authority) ListProfiles(ctx context.Context) (*ProfileList, error) {
	return call[ProfileList](ctx, c, "list profiles", func(ctx context.Context) (*http.Response, error) { return c.api.ListProfiles(ctx) })
}

// GetProfile returns a profile.
func (c *Authority) GetProfile(ctx context.Context, name string) (*Profile, error) {
	return about[Profile](ctx, c, "get profile", name, func(ctx context.Context) (*http.Response, error) { return c.api.GetProfile(ctx, name) })
}

// RevokeCertificate revokes a certificate.
func (c *Authority) RevokeCertificate(ctx context.Context, serial string, spec RevokeCertificate) (*CertificateStatus, error) {
	params := RevokeCertificateParams{IdempotencyKey: once()}
	return about[CertificateStatus](ctx, c, "revoke certificate", serial, func(ctx context.Context) (*http.Response, error) {
		return c.api.RevokeCertificate(ctx, serial, &params, spec)
	})
}

// ReleaseCertificate takes a suspension back.
func (c *Authority) ReleaseCertificate(ctx context.Context, serial string) (*CertificateStatus, error) {
	params := ReleaseCertificateParams{IdempotencyKey: once()}
	return about[CertificateStatus](ctx, c, "release certificate", serial, func(ctx context.Context) (*http.Response, error) {
		return c.api.ReleaseCertificate(ctx, serial, &params)
	})
}

// RevokeCertificates revokes up to 1,000 certificates of a lineage, or of a key.
func (c *Authority) RevokeCertificates(ctx context.Context, spec RevokeCertificates) (*RevokedCertificates, error) {
	params := RevokeCertificatesParams{IdempotencyKey: once()}
	return call[RevokedCertificates](ctx, c, "revoke certificates", func(ctx context.Context) (*http.Response, error) {
		return c.api.RevokeCertificates(ctx, &params, spec)
	})
}

// CertificateStatus returns what became of a certificate.
func (c *Authority) CertificateStatus(ctx context.Context, serial string) (*CertificateStatus, error) {
	return about[CertificateStatus](ctx, c, "status of certificate", serial, func(ctx context.Context) (*http.Response, error) {
		return c.api.GetCertificateStatus(ctx, serial)
	})
}

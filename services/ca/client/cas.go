package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"

	"github.com/cryptoutil/cryptoutil/libs/apiclient"
)

// CreateCA makes a CA with a new key.
func (c *Authority) CreateCA(ctx context.Context, spec CreateCA) (*CA, error) {
	params := CreateCAParams{IdempotencyKey: once()}
	return call[CA](ctx, c, fmt.Sprintf("create CA %q", spec.Name), func(ctx context.Context) (*http.Response, error) {
		return c.api.CreateCA(ctx, &params, spec)
	})
}

// ImportCA takes a CA that was elsewhere.
func (c *Authority) ImportCA(ctx context.Context, spec ImportCA) (*CA, error) {
	params := ImportCAParams{IdempotencyKey: once()}
	return call[CA](ctx, c, fmt.Sprintf("import CA %q", spec.Name), func(ctx context.Context) (*http.Response, error) {
		return c.api.ImportCA(ctx, &params, spec)
	})
}

// CAFilter selects CAs; empty fields select all.
type CAFilter struct {
	Name   string
	Kind   CAKind
	Status CAStatus
	Parent string
}

// ListCAs yields the CAs that filter selects in order of creation, fetching pages as they are needed. It ends after the first error.
func (c *Authority) ListCAs(ctx context.Context, filter CAFilter) iter.Seq2[CA, error] {
	params := ListCASParams{
		Limit: new(apiclient.PageSize), Name: apiclient.Given(filter.Name), Kind: apiclient.Given(filter.Kind), Status: apiclient.Given(filter.Status),
		Parent: apiclient.Given(filter.Parent),
	}
	return apiclient.Pages(func(cursor *string) ([]CA, *string, error) {
		params.Cursor = cursor
		page, err := call[CAPage](ctx, c, "list CAs", func(ctx context.Context) (*http.Response, error) { return c.api.ListCAS(ctx, &params) })
		if err != nil {
			return nil, nil, err
		}
		return page.Items, page.NextCursor, nil
	})
}

// GetCA returns the CA with this UUID or name.
func (c *Authority) GetCA(ctx context.Context, ca string) (*CA, error) {
	return about[CA](ctx, c, "get CA", ca, func(ctx context.Context) (*http.Response, error) { return c.api.GetCA(ctx, ca) })
}

// UpdateCA changes what a CA says of itself: change is given the CA as it is and returns the patch. See [apiclient.Update].
func (c *Authority) UpdateCA(ctx context.Context, ca string, again int, change func(CA) (Patch, error)) (*CA, error) {
	if err := apiclient.CheckRef(ca); err != nil {
		return nil, err
	}
	read := func(ctx context.Context) (*http.Response, error) { return c.api.GetCA(ctx, ca) }
	write := func(ctx context.Context, tag string, patch json.RawMessage) (*http.Response, error) {
		return c.api.UpdateCAWithApplicationMergePatchPlusJSONBody(ctx, ca, &UpdateCAParams{IfMatch: &tag}, patch)
	}
	return apiclient.Update(ctx, c.caller, fmt.Sprintf("update CA %q", ca), again, read, change, write)
}

// DestroyCA destroys the key of a CA of whose certificates none is valid any more.
func (c *Authority) DestroyCA(ctx context.Context, ca string) (*CA, error) {
	return about[CA](ctx, c, "destroy CA", ca, func(ctx context.Context) (*http.Response, error) { return c.api.DestroyCA(ctx, ca) })
}

// RetireCA ends issuance; the CA still tells what became of its certificates.
func (c *Authority) RetireCA(ctx context.Context, ca string) (*CA, error) {
	params := RetireCAParams{IdempotencyKey: once()}
	return about[CA](ctx, c, "retire CA", ca, func(ctx context.Context) (*http.Response, error) { return c.api.RetireCA(ctx, ca, &params) })
}

// ResumeCA takes a retirement back.
func (c *Authority) ResumeCA(ctx context.Context, ca string) (*CA, error) {
	params := ResumeCAParams{IdempotencyKey: once()}
	return about[CA](ctx, c, "resume CA", ca, func(ctx context.Context) (*http.Response, error) { return c.api.ResumeCA(ctx, ca, &params) })
}

// GetCACSR returns the certificate request of a CA, as PEM.
func (c *Authority) GetCACSR(ctx context.Context, ca string) (*CSR, error) {
	return about[CSR](ctx, c, "request of CA", ca, func(ctx context.Context) (*http.Response, error) { return c.api.GetCACSR(ctx, ca) })
}

// ListCACertificates returns all certificates of a CA, the primary one first.
func (c *Authority) ListCACertificates(ctx context.Context, ca string) (*CACertificates, error) {
	return about[CACertificates](ctx, c, "certificates of CA", ca, func(ctx context.Context) (*http.Response, error) {
		return c.api.ListCACertificates(ctx, ca)
	})
}

// InstallCACertificate brings a certificate that a CA elsewhere has made for this one.
func (c *Authority) InstallCACertificate(ctx context.Context, ca string, spec InstallCertificate) (*CA, error) {
	params := InstallCACertificateParams{IdempotencyKey: once()}
	return about[CA](ctx, c, "install certificate of CA", ca, func(ctx context.Context) (*http.Response, error) {
		return c.api.InstallCACertificate(ctx, ca, &params, spec)
	})
}

// CertifyCA has a CA sign the certificate of one that is elsewhere.
func (c *Authority) CertifyCA(ctx context.Context, ca string, spec CertifyCA) (*Certificate, error) {
	params := CertifyCAParams{IdempotencyKey: once()}
	return about[Certificate](ctx, c, "certify by CA", ca, func(ctx context.Context) (*http.Response, error) {
		return c.api.CertifyCA(ctx, ca, &params, spec)
	})
}

// CrossSignCA has one CA vouch for another.
func (c *Authority) CrossSignCA(ctx context.Context, ca string, spec CrossSign) (*Certificate, error) {
	params := CrossSignCAParams{IdempotencyKey: once()}
	return about[Certificate](ctx, c, "cross-sign by CA", ca, func(ctx context.Context) (*http.Response, error) {
		return c.api.CrossSignCA(ctx, ca, &params, spec)
	})
}

// RolloverCA gives a CA a successor with a new key.
func (c *Authority) RolloverCA(ctx context.Context, ca string, spec RolloverCA) (*Rollover, error) {
	params := RolloverCAParams{IdempotencyKey: once()}
	return about[Rollover](ctx, c, "roll over CA", ca, func(ctx context.Context) (*http.Response, error) {
		return c.api.RolloverCA(ctx, ca, &params, spec)
	})
}

// PublishLists makes the lists of revocations of a CA anew: the only way by which a root signs one.
func (c *Authority) PublishLists(ctx context.Context, ca string) error {
	params := PublishListsParams{IdempotencyKey: once()}
	_, err := about[apiclient.Nothing](ctx, c, "publish lists of CA", ca, func(ctx context.Context) (*http.Response, error) { return c.api.PublishLists(ctx, ca, &params) })
	return err
}

// WriteCRL writes a list of revocations of a CA to dst, in DER: that of all certificates, or the one with a name such as 0.crl.
func (c *Authority) WriteCRL(ctx context.Context, ca, list string, dst io.Writer) error {
	operation := fmt.Sprintf("list of CA %q", ca)
	if err := apiclient.CheckRef(ca); err != nil {
		return fmt.Errorf("%s: %w", operation, err)
	}
	params := GetCRLParams{List: apiclient.Given(list)}
	return apiclient.Download(ctx, c.caller, operation, dst, func(ctx context.Context) (*http.Response, error) { return c.api.GetCRL(ctx, ca, &params) })
}

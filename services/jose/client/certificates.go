package client

import (
	"context"
	"net/http"

	"github.com/cryptoutil/cryptoutil/libs/apiclient"
)

// CreateCSR makes a request for a certificate of a version of the key, signed by the version itself.
func (j *JOSE) CreateCSR(ctx context.Context, key string, ask CreateCSR) (*CSR, error) {
	return about[CSR](ctx, j, "request certificate of key", key, func(ctx context.Context) (*http.Response, error) { return j.api.CreateCSR(ctx, key, ask) })
}

// GetCertificate returns the certificate chain of a version of the key; version 0 is the active one. Without one it is a [*Problem] with the
// code not_found.
func (j *JOSE) GetCertificate(ctx context.Context, key string, version int64) (*CertificateChain, error) {
	params := GetCertificateParams{Version: apiclient.Given(version)}
	return about[CertificateChain](ctx, j, "get certificate of key", key, func(ctx context.Context) (*http.Response, error) {
		return j.api.GetCertificate(ctx, key, &params)
	})
}

// SetCertificate stores the chain, in PEM with the leaf first, that a certification authority made for a version of the key; version 0 is the
// active one.
func (j *JOSE) SetCertificate(ctx context.Context, key string, version int64, chain string) (*CertificateChain, error) {
	ask := SetCertificate{Version: apiclient.Given(version), PEM: chain}
	return about[CertificateChain](ctx, j, "set certificate of key", key, func(ctx context.Context) (*http.Response, error) {
		return j.api.SetCertificate(ctx, key, ask)
	})
}

// RemoveCertificate removes the certificate chain of a version of the key; version 0 is the active one.
func (j *JOSE) RemoveCertificate(ctx context.Context, key string, version int64) error {
	params := RemoveCertificateParams{Version: apiclient.Given(version)}
	_, err := about[apiclient.Nothing](ctx, j, "remove certificate of key", key, func(ctx context.Context) (*http.Response, error) {
		return j.api.RemoveCertificate(ctx, key, &params)
	})
	return err
}

package federation

import (
	"crypto/tls"
	"fmt"
	"io"
	"os"

	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

// clientTLS is for calls to one peer, whose certificate status is asked about in each handshake (nil: is not).
func clientTLS(c PeerConfig, status tlsconfig.StatusChecker) (*tls.Config, error) {
	security := tlsconfig.Outgoing{Status: status}.Config()
	if c.RootCertificate != "" {
		roots, err := tlsconfig.LoadRoots(c.RootCertificate.String())
		if err != nil {
			return nil, err
		}
		security.RootCAs = roots
	}
	if c.Auth.Method != AuthMTLS {
		return security, nil
	}
	if _, err := clientCertificate(c.Auth); err != nil {
		return nil, err
	}
	// Read anew with each handshake: certificates are renewed while the service runs.
	security.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return clientCertificate(c.Auth) }
	return security, nil
}

func clientCertificate(c AuthConfig) (*tls.Certificate, error) {
	key, err := c.Key.Read()
	if err != nil {
		return nil, fmt.Errorf("client certificate's key: %w", err)
	}
	defer clear(key)
	chain, err := readCertificate(c.Certificate.String())
	if err != nil {
		return nil, fmt.Errorf("client certificate: %w", err)
	}
	certificate, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, fmt.Errorf("client certificate: %w", err)
	}
	return &certificate, nil
}

// maxCertificate bounds a file of a client certificate and its chain, in bytes.
const maxCertificate = 1 << 20

// readCertificate reads the file of a client certificate.
func readCertificate(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // only read
	content, err := io.ReadAll(io.LimitReader(file, maxCertificate+1))
	if err == nil && len(content) > maxCertificate {
		err = fmt.Errorf("%s: is larger than %d bytes", name, maxCertificate)
	}
	return content, err
}

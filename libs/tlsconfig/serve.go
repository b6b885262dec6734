package tlsconfig

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
)

// groups are the key exchanges offered and accepted (SP 800-56A rev. 3 curves; ML-KEM-768 of FIPS 203 in hybrids).
func groups() []tls.CurveID {
	return []tls.CurveID{tls.X25519MLKEM768, tls.SecP256r1MLKEM768, tls.CurveP256, tls.CurveP384, tls.CurveP521}
}

// ServerConfig is for a listener: TLS 1.3, AES-GCM (the only suites of TLS 1.3 in FIPS mode), HTTP/2 and HTTP/1.1 by ALPN. It always serves
// the newest certificate; connections that exist keep theirs. Each call gives a new one, for the caller to change.
//
// Where clients are asked for certificates, each handshake takes the authorities as they are then, and sessions are not resumed.
func (m *Material) ServerConfig() *tls.Config {
	config := m.serverConfig()
	if m.authorities == nil {
		return config
	}
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		ctx := hello.Context()
		c := m.serverConfig()
		c.VerifyConnection = func(state tls.ConnectionState) error {
			bounded, cancel := context.WithTimeout(ctx, statusTimeout)
			defer cancel()
			return m.CheckPeer(bounded, &state)
		}
		return c, nil
	}
	return config
}

func (m *Material) serverConfig() *tls.Config {
	config := &tls.Config{
		MinVersion:       tls.VersionTLS13,
		CurvePreferences: groups(),
		NextProtos:       []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return m.current.Load(), nil
		},
	}
	if m.authorities != nil {
		config.ClientAuth, config.ClientCAs, config.Time = m.clients, m.authorities.pool(), m.now
		config.SessionTicketsDisabled = true // a ticket would outlive what admitted its client
	}
	return config
}

// ClientConfig is for calls to servers that roots vouch for; nil means the system's roots.
func ClientConfig(roots *x509.CertPool) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13, CurvePreferences: groups(), RootCAs: roots}
}

// LoadRoots is [ReadCertificates] for certificates that are trusted as roots.
func LoadRoots(file string) (*x509.CertPool, error) {
	certificates, err := ReadCertificates(file)
	if err != nil {
		return nil, fmt.Errorf("load root certificates: %w", err)
	}
	pool := x509.NewCertPool()
	for _, c := range certificates {
		pool.AddCert(c)
	}
	return pool, nil
}

// ReadCertificates reads the certificates in a PEM file, which must hold at least one and nothing else.
func ReadCertificates(file string) ([]*x509.Certificate, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	certificates, rest, err := parseCertificates(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%s: holds a %s beside certificates", file, rest[0].Type)
	}
	return certificates, nil
}

// parseCertificates takes the certificates, at least one, out of PEM text and returns the other blocks.
func parseCertificates(text []byte) (certificates []*x509.Certificate, rest []*pem.Block, err error) {
	for block, remaining := pem.Decode(text); block != nil; block, remaining = pem.Decode(remaining) {
		if block.Type != "CERTIFICATE" {
			rest = append(rest, block)
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, nil, fmt.Errorf("parse certificate %d: %w", len(certificates)+1, err)
		}
		certificates = append(certificates, certificate)
	}
	if len(certificates) == 0 {
		return nil, nil, errors.New("holds no PEM certificate")
	}
	return certificates, rest, nil
}

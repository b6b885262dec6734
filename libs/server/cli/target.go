package cli

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

// adminTimeout bounds one admin request. Unsealing may wait for a database.
const adminTimeout = 15 * time.Second

// maxAdminAnswer bounds what is read of an answer, in bytes.
const maxAdminAnswer = 1 << 20

// targetFlags say which service a command is about.
type targetFlags struct {
	source  *sourceFlags
	context string
	program Program
}

func addTargetFlags(p Program, cmd *cobra.Command) *targetFlags {
	f := &targetFlags{source: addSourceFlags(cmd), program: p}
	cmd.Flags().StringVar(&f.context, "context", "", "context file, in place of --config (default $"+ContextVariable+", else that of cryptoutil dev)")
	cmd.MarkFlagsMutuallyExclusive("config", "context")

	return f
}

// target is one service's admin listener.
type target struct {
	url       string
	tokenFile string
	client    *http.Client
}

// open finds the service by its configuration, or else by the context file.
func (f *targetFlags) open() (*target, error) {
	if f.source.given() {
		settings, err := f.program.Load(f.source.source())
		if err != nil {
			return nil, err
		}

		return newTarget("https://"+settings.AdminAddress, settings.RootFile, filepath.Join(settings.DataDir, server.AdminTokenFile))
	}
	c, err := LoadContext(f.context)
	if errors.Is(err, fs.ErrNotExist) && f.context == "" {
		return nil, Usage("name the service's configuration with --config FILE, or a context file with --context FILE")
	}
	if err != nil {
		return nil, err
	}

	return targetOf(f.program, c)
}

// targetOf finds a program's admin listener by the context file.
func targetOf(p Program, c Context) (*target, error) {
	endpoint, err := c.Service(p.Product)
	if err != nil {
		return nil, err
	}
	if endpoint.AdminURL == "" {
		return nil, fmt.Errorf("the context file does not say where the admin listener is; add services.%s.admin_url", p.Product)
	}
	token, err := config.NewSecret(endpoint.AdminToken, config.Policy{})
	if err != nil && endpoint.AdminToken != "" {
		return nil, fmt.Errorf("admin token in the context file: it %w; write file:///path", err)
	}

	return newTarget(endpoint.AdminURL, c.RootCertificate.String(), token.File())
}

func newTarget(address, rootFile, tokenFile string) (*target, error) {
	name, err := serverName(rootFile)
	var roots *x509.CertPool
	if err == nil {
		roots, err = tlsconfig.LoadRoots(rootFile)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the service has not been started yet: there is no %s; the service writes it when it starts for the first time", rootFile)
	}
	if err != nil {
		return nil, err
	}
	t := tlsconfig.ClientConfig(roots)
	t.ServerName = name

	return &target{url: address, tokenFile: tokenFile, client: &http.Client{
		Transport:     &http.Transport{TLSClientConfig: t, DisableKeepAlives: true}, // no proxy: it is this machine
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       adminTimeout,
	}}, nil
}

// serverName is the name that a listener's certificate is checked for: that of the address, unless the certificate was made
// elsewhere, for the service's public names. It then is itself the first in the file, and any of its names proves the service.
func serverName(rootFile string) (string, error) {
	text, err := os.ReadFile(rootFile)
	block, _ := pem.Decode(text)
	if block == nil {
		return "", errors.Join(err, fmt.Errorf("%s holds no PEM certificate", rootFile))
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	switch {
	case err != nil:
		return "", fmt.Errorf("%s: %w", rootFile, err)
	case certificate.IsCA:
		return "", nil
	case len(certificate.DNSNames) > 0:
		return certificate.DNSNames[0], nil
	case len(certificate.IPAddresses) > 0:
		return certificate.IPAddresses[0].String(), nil
	default:
		return "", fmt.Errorf("%s: the certificate has no name", rootFile)
	}
}

// ask sends a request without the token and decodes a JSON answer. The status tells what it is worth.
func (t *target) ask(ctx context.Context, path string, into any) (status int, err error) {
	return t.send(ctx, http.MethodGet, path, "", nil, into)
}

// order sends a request with the token. An answer that is a problem is an error.
func (t *target) order(ctx context.Context, method, path string, body, into any) error {
	if t.tokenFile == "" {
		return errors.New("the context file names no admin token; add admin_token: file:///path")
	}
	token, err := server.ReadAdminToken(t.tokenFile)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w; the service writes it when it starts: start it, or correct the data directory", err)
	}
	if err != nil {
		return err
	}
	_, err = t.send(ctx, method, path, string(token), body, into)

	return err
}

func (t *target) send(ctx context.Context, method, path, token string, body, into any) (int, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return 0, err
		}
		content = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, t.url+"/admin/v1"+path, content)
	if err != nil {
		return 0, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := t.client.Do(r)
	if err != nil {
		return 0, t.explain(err)
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAdminAnswer))
	if err != nil {
		return 0, t.explain(err)
	}
	if resp.Header.Get("Content-Type") == problem.ContentType {
		var p problem.Document
		if err := json.Unmarshal(text, &p); err != nil {
			return 0, fmt.Errorf("%s answers %s with something that is no problem document: %w", t.url, resp.Status, err)
		}

		return resp.StatusCode, refusal(p)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return 0, fmt.Errorf("%s answers %s with something that is no report: %w", t.url, resp.Status, err)
	}

	return resp.StatusCode, nil
}

// refusal is the error of a problem document.
func refusal(p problem.Document) error {
	text := p.Title
	if p.Detail != "" {
		text = p.Detail
	}
	switch p.Code {
	case problem.Unauthenticated:
		text += "; the token file is not this service's: correct the data directory or the context file"
	case problem.InternalError:
		text += "; the service's log has the cause under request id " + p.RequestID
	}

	return fmt.Errorf("%s: %s", p.Code, text)
}

// neverStarted tells that the service has not written its token yet.
func (t *target) neverStarted() bool {
	_, err := os.Stat(t.tokenFile)

	return t.tokenFile != "" && errors.Is(err, fs.ErrNotExist)
}

// explain adds to an error of the connection what can be done.
func (t *target) explain(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err // the rest repeats the address
	}
	var certificate *tls.CertificateVerificationError
	var network net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED) && t.neverStarted():
		return fmt.Errorf("the service has not been started yet: nothing answers at %s; start it", t.url)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nothing answers at %s; start the service, or correct the address: %w", t.url, err)
	case errors.As(err, &certificate):
		return fmt.Errorf("what answers at %s is not this service: its certificate is not from the root it was made with: %w", t.url, err)
	case errors.As(err, &network) && network.Timeout():
		return fmt.Errorf("no answer from %s in time; the service's log may tell why: %w", t.url, err)
	default:
		return fmt.Errorf("ask %s: %w", t.url, err)
	}
}

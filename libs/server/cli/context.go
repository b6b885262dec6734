package cli

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/cryptoutil/cryptoutil/libs/config"
)

// ContextVariable is the environment variable that names the context file.
const ContextVariable = "CRYPTOUTIL_CONTEXT"

// Context tells client commands where services are and what to present to them. It is a YAML file of mode 0600; secrets stand in
// files of their own.
type Context struct {
	// RootCertificate is the PEM file by which the services are known.
	RootCertificate config.Path `koanf:"root_certificate" yaml:"root_certificate"`
	// Services are by product: "kms".
	Services map[string]Endpoint `koanf:"services" yaml:"services"`
}

// Endpoint is one service.
type Endpoint struct {
	// URL is the public listener's, AdminURL the admin listener's.
	URL      string `koanf:"url" yaml:"url"`
	AdminURL string `koanf:"admin_url" yaml:"admin_url,omitempty"`
	// MTLSURL is the listener for programs with a client certificate, and ClientCertificate (PEM, the issuer after it) and ClientKey (a reference)
	// what commands that administer present there.
	MTLSURL           string      `koanf:"mtls_url" yaml:"mtls_url,omitempty"`
	ClientCertificate config.Path `koanf:"client_certificate" yaml:"client_certificate,omitempty"`
	ClientKey         string      `koanf:"client_key" yaml:"client_key,omitempty"`
	// Credential and AdminToken are references to files, file:///path.
	Credential string `koanf:"credential" yaml:"credential,omitempty"`
	AdminToken string `koanf:"admin_token" yaml:"admin_token,omitempty"`
}

// ContextName is the context file's name in the data directory that it was made for.
const ContextName = "context.yaml"

// DefaultDir is the data directory of development mode, and so the place of the context file, unless they are named:
// $XDG_DATA_HOME/cryptoutil, by default ~/.local/share/cryptoutil (XDG Base Directory Specification); on macOS and Windows cryptoutil in
// the user's configuration directory.
func DefaultDir() (string, error) {
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "cryptoutil"), nil
	}
	if runtime.GOOS == "darwin" || runtime.GOOS == "windows" {
		dir, err := os.UserConfigDir()
		return filepath.Join(dir, "cryptoutil"), err
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, ".local", "share", "cryptoutil"), err
}

// ContextFile finds the context file: the flag's value, else CRYPTOUTIL_CONTEXT, else context.yaml in DefaultDir.
func ContextFile(flag string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	if named := os.Getenv(ContextVariable); named != "" {
		return named, nil
	}
	dir, err := DefaultDir()
	if err != nil {
		return "", fmt.Errorf("find the context file: %w; name it with --context or %s", err, ContextVariable)
	}

	return filepath.Join(dir, ContextName), nil
}

// AddContextFlag gives a client command --context.
func AddContextFlag(cmd *cobra.Command) *string {
	file := cmd.Flags().String("context", "", "context file (default $"+ContextVariable+", else that of cryptoutil dev)")
	_ = cmd.MarkFlagFilename("context", "yaml", "yml") // fails only for a flag that the command lacks

	return file
}

// LoadContext reads the context file that ContextFile finds.
func LoadContext(flag string) (Context, error) {
	file, err := ContextFile(flag)
	if err != nil {
		return Context{}, err
	}
	if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
		return Context{}, &absentContextError{file: file}
	}
	var c Context
	if err := config.Load(&c, config.Source{File: file}); err != nil {
		return Context{}, err
	}

	return c, nil
}

// absentContextError is a context file that is not there.
type absentContextError struct{ file string }

// Error says where one comes from.
func (e *absentContextError) Error() string {
	return fmt.Sprintf("the context file %s does not exist; name one with --context or %s, or let `cryptoutil dev` or `cryptoutil kms init` write it",
		e.file, ContextVariable)
}

// Unwrap makes it os.ErrNotExist.
func (*absentContextError) Unwrap() error { return os.ErrNotExist }

// WriteContext writes a context file so that it is there whole, or not at all. Folders are made as needed.
func WriteContext(file string, c Context) error {
	if err := writeContext(file, c); err != nil {
		return fmt.Errorf("write context file %s: %w", file, err)
	}

	return nil
}

func writeContext(file string, c Context) error {
	text, err := yaml.Marshal(c)
	if err != nil {
		return err
	}
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	temporary, err := os.CreateTemp(dir, ".context-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = temporary.Write(text)
	if err = errors.Join(err, temporary.Sync(), temporary.Close()); err == nil {
		err = os.Rename(temporary.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary.Name()))
	}

	return nil
}

// Service finds a product's endpoint.
func (c Context) Service(product string) (Endpoint, error) {
	endpoint, known := c.Services[product]
	if !known {
		return Endpoint{}, fmt.Errorf("the context file has no service %q; add services.%s.url", product, product)
	}

	return endpoint, nil
}

// ReadCredential reads what Credential refers to.
func (e Endpoint) ReadCredential() (string, error) {
	secret, err := config.NewSecret(e.Credential, config.Policy{})
	if err != nil {
		return "", fmt.Errorf("credential in the context file: it %w; write file:///path", err)
	}

	return secret.ReadText()
}

// HasCertificate tells whether there is a client certificate, and a listener for it.
func (e Endpoint) HasCertificate() bool { return e.ClientCertificate != "" && e.MTLSURL != "" }

// ReadCertificate reads ClientCertificate and what ClientKey refers to.
func (e Endpoint) ReadCertificate() (tls.Certificate, error) {
	secret, err := config.NewSecret(e.ClientKey, config.Policy{})
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("client_key in the context file: it %w; write file:///path", err)
	}
	if _, err := secret.Read(); err != nil { // which also checks who can read it
		return tls.Certificate{}, fmt.Errorf("client_key in the context file: %w", err)
	}
	pair, err := tls.LoadX509KeyPair(e.ClientCertificate.String(), secret.File())
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("client certificate in the context file: %w", err)
	}
	if leaf := pair.Leaf; leaf != nil && time.Now().After(leaf.NotAfter) {
		return tls.Certificate{}, fmt.Errorf("the client certificate %s expired at %s; issue another one with credential certificate",
			e.ClientCertificate, leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	return pair, nil
}

package service

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"text/template"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/crypto/secrethash"
)

// Setup says what a new data directory is made for.
type Setup struct {
	// Service is whose data directory it is.
	Service Description
	// Dir is the data directory. It is created with mode 0700.
	Dir string
	// Tenant is the first tenant; DefaultTenant if empty.
	Tenant string
	// UnsealMode is derive, shamir or dev.
	UnsealMode unseal.Mode
	// Shares and Threshold are for mode shamir: that many shares, of which that many unseal.
	Shares, Threshold int
	// Operator is the id of the first person, who may do everything, also on the admin listener; empty for nobody. With one comes a client
	// certificate for programs that administer.
	Operator string
	// PostgresURL and PostgresPassword (a file) choose PostgreSQL; without them the database is a SQLite file in Dir.
	PostgresURL, PostgresPassword string
}

// pepperVersion is the version of the hash policies for which a new data directory has a pepper: the current one.
const pepperVersion = 3

// DefaultTenant is the tenant of an installation that has one.
const DefaultTenant = "default"

// firstToken is the id of the API token that a new data directory comes with, and firstClient that of the client that administers.
const (
	firstToken  = "operator"
	firstClient = "admin"
)

// FirstOperator is the id of the first person of a data directory that a command makes.
const FirstOperator = "operator"

// Files are the parts of a data directory that people and programs need to know.
type Files struct { //nolint:recvcheck // what makes them changes them
	Config     string // such as kms.yaml
	Credential string // the first API token, 0600
	AdminToken string // written at first start
	Root       string // the root certificate, written at first start
	Shares     []string

	// Those of the first person; empty without one.
	Operator          string // the id to log in with
	Password          string // file with the password, 0600
	ClientCertificate string // certificate of the client that administers, with its issuer, PEM
	ClientKey         string // its key, 0600
}

func (s Setup) files(dir string) Files {
	files := Files{
		Config:     filepath.Join(dir, s.Service.Product+".yaml"),
		Credential: filepath.Join(dir, "credentials", s.Service.Product+".token"),
		AdminToken: filepath.Join(dir, "admin.token"),
		Root:       filepath.Join(dir, "tls", "root.pem"),
	}
	if s.Operator != "" {
		files.Operator = s.Operator
		files.Password = filepath.Join(dir, "credentials", s.Operator+".password")
		files.ClientCertificate, files.ClientKey = clientFiles(dir, firstClient)
	}
	return files
}

// Prepare makes what a data directory lacks: secrets, the realm with one API token that may do everything, and the configuration, which comes
// last. What is there is left as it is, so that a directory whose making was cut off is completed by the next call, and a complete
// one is not touched. It tells whether it was complete already.
func (s Setup) Prepare() (files Files, existed bool, err error) {
	dir, err := filepath.Abs(s.Dir)
	if err != nil {
		return Files{}, false, fmt.Errorf("prepare %s: %w", s.Dir, err)
	}
	files = s.files(dir)
	whole := s
	whole.Dir = dir
	if whole.Tenant == "" {
		whole.Tenant = DefaultTenant
	}
	err = exclusively(dir, func() error {
		if _, err := os.Stat(files.Config); err == nil {
			existed = true
			files.forgetAbsent()
			return nil
		}
		return whole.prepare(&files)
	})
	if err != nil {
		return Files{}, false, fmt.Errorf("prepare %s: %w", dir, err)
	}
	return files, existed, nil
}

// exclusively makes a directory if need be and runs do while no other process does so for it.
func exclusively(dir string, do func() error) (err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.Close()) }() // which unlocks
	for {
		err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX)
		if err == nil {
			return do()
		}
		if !errors.Is(err, syscall.EINTR) {
			return fmt.Errorf("lock: %w", err)
		}
	}
}

func (s Setup) prepare(files *Files) error {
	for _, folder := range []string{"secrets", s.Service.Product, "credentials"} {
		if err := os.MkdirAll(filepath.Join(s.Dir, folder), 0o700); err != nil {
			return err
		}
	}
	pepper, err := secretFile(filepath.Join(s.Dir, "secrets", "pepper"), secrethash.MinPepper)
	if err != nil {
		return err
	}
	if s.UnsealMode == unseal.Shamir {
		if files.Shares, err = s.makeShares(); err != nil {
			return err
		}
	} else if _, err := secretFile(filepath.Join(s.Dir, "secrets", "unseal"), unseal.SecretSize); err != nil {
		return err
	}
	if err := s.makeRealm(*files, pepper); err != nil {
		return err
	}
	text, err := s.configuration()
	if err != nil {
		return err
	}
	return writeFile(files.Config, text)
}

// secretFile reads a file of n random bytes, or makes it.
func secretFile(file string, n int) ([]byte, error) {
	secret, err := os.ReadFile(file)
	if err == nil && len(secret) == n {
		return secret, nil
	}
	if err == nil {
		return nil, fmt.Errorf("%s has %d bytes, not %d; it was damaged or made by something else", file, len(secret), n)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	secret = make([]byte, n)
	if _, err := rand.Read(secret); err != nil {
		return nil, err
	}
	return secret, writeFile(file, secret)
}

// makeShares writes new unseal shares, a file for each.
func (s Setup) makeShares() ([]string, error) {
	folder := filepath.Join(s.Dir, "shares")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	texts, err := unseal.NewShares(s.Shares, s.Threshold)
	if err != nil {
		return nil, err
	}
	var files []string
	for i, text := range texts {
		file := filepath.Join(folder, fmt.Sprintf("share-%d", i+1))
		if err := writeFile(file, []byte(text+"\n")); err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}

// configurationText is the configuration. What it leaves out has its default.
var configurationText = template.Must(template.New("configuration").Parse(`# Configuration of {{.Name}}. Relative paths start at this file's folder.
# Check a change with: {{.Name}} validate --config {{.Product}}.yaml
data_dir: .

public:
  address: 127.0.0.1:{{.PublicPort}}   # 0.0.0.0:{{.PublicPort}} to serve other machines
admin:
  address: 127.0.0.1:{{.AdminPort}}   # always loopback
{{- if .MTLSPort}}
mtls:
  address: 127.0.0.1:{{.MTLSPort}}   # for programs with a client certificate
{{- end}}

tls:
  mode: auto                # a private hierarchy in tls/; clients need tls/root.pem
  # dns_names: [{{.Product}}.example.net]

database:
{{- if .PostgresURL}}
  engine: postgres
  url: {{printf "%q" .PostgresURL}}
  password: {{printf "%q" .PostgresPassword}}
{{- else}}
  engine: sqlite
  path: {{.Product}}/{{.Product}}.sqlite
{{- end}}

unseal:
  mode: {{.Unseal}}
{{- if .UnsealSecret}}
  secret: {{printf "%q" .UnsealSecret}}
{{- end}}

realm:
  file: {{.Product}}/realm.yaml      # add callers with: {{.Name}} credential add, user add

hash_service:
  peppers:                  # one secret per version of the hash policies; never change one that is in use
    - version: 3
      secret: {{printf "%q" .Pepper}}

telemetry:
  log_level: {{.LogLevel}}
  log_format: {{.LogFormat}}
`))

// portOf is the port of an address, which Description has.
func portOf(address string) string {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		panic(err)
	}
	return port
}

func (s Setup) configuration() ([]byte, error) {
	values := map[string]string{
		"Product": s.Service.Product, "Name": s.Service.Name, "PublicPort": portOf(s.Service.Public), "AdminPort": portOf(s.Service.Admin),
		"PostgresURL": s.PostgresURL, "PostgresPassword": "", "MTLSPort": "", "Unseal": string(s.UnsealMode), "UnsealSecret": "",
		"Pepper": fileReference(filepath.Join(s.Dir, "secrets", "pepper")), "LogLevel": "info", "LogFormat": "json",
	}
	if s.Operator != "" && s.Service.MTLS != "" {
		values["MTLSPort"] = portOf(s.Service.MTLS)
	}
	if s.PostgresURL != "" {
		password, err := filepath.Abs(s.PostgresPassword)
		if err != nil {
			return nil, err
		}
		values["PostgresPassword"] = fileReference(password)
	}
	if s.UnsealMode != unseal.Shamir {
		values["UnsealSecret"] = fileReference(filepath.Join(s.Dir, "secrets", "unseal"))
	}
	if s.UnsealMode == unseal.Dev {
		values["LogLevel"], values["LogFormat"] = "warn", "text"
	}
	var text bytes.Buffer
	if err := configurationText.Execute(&text, values); err != nil {
		return nil, err
	}
	return text.Bytes(), nil
}

// writeFile writes a file of mode 0600 so that it is there whole, also after a crash, or not at all. What a crash leaves the next call
// writes over.
func writeFile(file string, content []byte) (err error) {
	out, err := os.OpenFile(file+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(out.Name()))
		}
	}()
	_, err = out.Write(content)
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		return err
	}
	return os.Rename(out.Name(), file)
}

func fileReference(path string) string {
	return (&url.URL{Scheme: "file", Path: path}).String()
}

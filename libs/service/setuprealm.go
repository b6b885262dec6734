package service

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/auth/credential"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/crypto/secrethash"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

// clientLifetime is how long the client certificate of a program that administers works.
const clientLifetime = 365 * 24 * time.Hour

// clientFiles are where a client's certificate and key are kept in a data directory.
func clientFiles(dir, id string) (certificate, key string) {
	return filepath.Join(dir, "credentials", id+".pem"), filepath.Join(dir, "credentials", id+".key")
}

// forgetAbsent takes out what a directory that was there already does not have.
func (f *Files) forgetAbsent() {
	absent := func(file string) bool { _, err := os.Stat(file); return err != nil }
	if absent(f.Password) {
		f.Operator, f.Password = "", ""
	}
	if absent(f.ClientCertificate) || absent(f.ClientKey) {
		f.ClientCertificate, f.ClientKey = "", ""
	}
}

// fileHashes are those with which a realm file is changed.
func fileHashes(set *secrethash.Set) auth.FileHashes {
	return auth.FileHashes{Secrets: set.Registry(secrethash.HighEntropyRandom), Passwords: set.Registry(secrethash.LowEntropyRandom)}
}

// makeRealm writes the realm file with the first API token, the first person and the client that administers, and their secrets into files of
// their own. What a setup that was cut off has left of them is in nobody's use.
func (s Setup) makeRealm(files Files, pepper []byte) error {
	realm := filepath.Join(s.Dir, s.Service.Product, "realm.yaml")
	for _, leftover := range []string{realm, realm + ".new"} { // .new is the file while it is written (package auth)
		if err := os.Remove(leftover); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := auth.CreateFile(realm, s.Tenant); err != nil {
		return err
	}
	hashes, err := secrethash.Open(secrethash.Config{Peppers: map[int][]byte{pepperVersion: pepper}})
	if err != nil {
		return err
	}
	token, err := auth.Add(realm, hashes.Registry(secrethash.HighEntropyRandom), auth.NewEntry{
		Kind: credential.APIToken, Tenant: s.Tenant, ID: firstToken, Name: "made at setup", Scopes: s.Service.Scopes[:1],
	})
	if err != nil {
		return err
	}
	if err := writeFile(files.Credential, []byte(token.Text()+"\n")); err != nil {
		return err
	}
	if files.Operator == "" {
		return nil
	}
	if err := s.makeOperator(realm, files, hashes); err != nil {
		return err
	}
	if s.Service.MTLS == "" {
		return nil
	}
	issue := tlsconfig.Options{Dir: filepath.Join(s.Dir, "tls"), Dev: s.UnsealMode == unseal.Dev}
	client := auth.NewEntry{Tenant: s.Tenant, ID: firstClient, Name: "made at setup", Roles: s.everything()}
	if known, err := adoptClient(s.Dir, realm, fileHashes(hashes), client); known || err != nil {
		return err
	}
	return enrollClient(s.Dir, realm, issue, fileHashes(hashes), client)
}

// adoptClient has the client certificate that another service of the data directory was set up with stand for a client of this one's realm.
// It tells whether there is one.
func adoptClient(dir, realm string, hashes auth.FileHashes, client auth.NewEntry) (known bool, err error) {
	certificate, key := clientFiles(dir, client.ID)
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read client certificate %s: %w", certificate, err)
	}
	return true, auth.MapClient(realm, hashes, client, auth.MappedCertificate{Thumbprint: auth.CertificateNames(pair.Leaf)[0].Value})
}

// everything are the roles of those who may do everything: the default tenant's also rule over tenants.
func (s Setup) everything() []string {
	if s.Tenant == DefaultTenant {
		return []string{auth.RoleAdmin, auth.RoleSystem}
	}
	return []string{auth.RoleAdmin}
}

// makeOperator adds the first person, with a new password, or with that by which other services of the data directory know him.
func (s Setup) makeOperator(realm string, files Files, hashes *secrethash.Set) error {
	password := newPassword()
	if text, err := os.ReadFile(files.Password); err == nil {
		password = strings.TrimSpace(string(text))
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	operator := auth.User{ID: s.Operator, Tenant: s.Tenant, Name: "made at setup", Roles: s.everything(), Operator: true}
	if err := auth.AddUser(context.Background(), realm, fileHashes(hashes), operator, password); err != nil {
		return err
	}
	return writeFile(files.Password, []byte(password+"\n"))
}

// newPassword makes a password of 130 random bits that can be read out and typed.
func newPassword() string {
	text := strings.ToLower(rand.Text())
	var groups []string
	for len(text) > 6 {
		groups, text = append(groups, text[:6]), text[6:]
	}
	return strings.Join(append(groups, text), "-")
}

// enrollClient issues a client certificate from the private hierarchy, puts it and its key into the data directory, and has it stand for a
// client of the realm file, which is made if need be.
func enrollClient(dir, realm string, issue tlsconfig.Options, hashes auth.FileHashes, client auth.NewEntry) error {
	made, err := tlsconfig.IssueClient(issue, clientLifetime)
	if err != nil {
		return err
	}
	defer clear(made.Key)
	certificate, key := clientFiles(dir, client.ID)
	thumbprint := auth.MappedCertificate{Thumbprint: auth.CertificateNames(made.Leaf)[0].Value}
	if err := auth.MapClient(realm, hashes, client, thumbprint); err != nil {
		return err
	}
	if err := errors.Join(writeFile(key, made.Key), writeFile(certificate, made.Certificates)); err != nil {
		return fmt.Errorf("write client certificate: %w", err)
	}
	return nil
}

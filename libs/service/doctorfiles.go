package service

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

// files looks at who can read and write the data directory.
func (d *doctor) files() {
	dir := d.cfg.DataDir.String()
	info, err := os.Stat(dir)
	if err != nil {
		d.report("data-directory", doctorFailing, err.Error(), "make it with: "+d.path+" init --data DIR")
		return
	}
	if info.Mode().Perm()&0o022 != 0 {
		d.report("data-directory", doctorFailing, fmt.Sprintf("%s can be written by others (mode %04o)", dir, info.Mode().Perm()), "chmod go-w "+dir)
		return
	}
	if foreign := foreignFile(dir); foreign != "" {
		d.report("data-directory", doctorWarning, foreign+" belongs to another user than the directory", "chown it to the directory's owner, and run commands as that user")
		return
	}
	d.report("data-directory", doctorOK, dir, "")
}

// foreignFile is a file below the directory that its owner may not be able to read; empty for none.
func foreignFile(dir string) (found string) {
	owner := func(info fs.FileInfo) uint32 {
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			return stat.Uid
		}
		return 0 // a system without owners
	}
	root, err := os.Stat(dir)
	if err != nil {
		return ""
	}
	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return fs.SkipDir // what cannot be looked at other checks report
		}
		if info, err := entry.Info(); err == nil && owner(info) != owner(root) && info.Mode().Perm()&0o044 == 0 {
			found = path
			return fs.SkipAll
		}
		return nil
	})
	return found
}

// secrets reads every secret file that the service reads at start.
func (d *doctor) secrets() {
	var err error
	if d.cfg.Unseal.Secret.IsSet() {
		var secret []byte
		secret, err = d.cfg.Unseal.Secret.Read()
		clear(secret)
	}
	d.outcome("unseal-secret", err, "mode "+d.cfg.Unseal.Mode, "restore the file from a backup; only the service's user may read it (chmod 600)")
	hashes, err := OpenHashes(d.cfg)
	if !d.outcome("peppers", err, fmt.Sprintf("%d of hash_service", len(d.cfg.Hashes.Peppers)), "restore the files from a backup; only the service's user may read them (chmod 600)") {
		return
	}
	_, err = openFileRealm(d.description, d.cfg, hashes, slog.New(slog.DiscardHandler))
	d.outcome("realm", err, d.cfg.Realm.File.String(), "correct the file; user and credential edit it safely")
}

// Free space below which to warn, and to fail, in bytes.
const (
	scarceSpace = 1 << 30
	noSpace     = 64 << 20
)

// space looks at the disk of the data directory, and at that of the database's file.
func (d *doctor) space() {
	places := []string{d.cfg.DataDir.String()}
	if d.cfg.Database.Engine == database.EngineSQLite && d.cfg.Database.Path != database.Memory {
		places = append(places, filepath.Dir(d.cfg.Database.Path.String()))
	}
	for i, place := range places {
		var of syscall.Statfs_t
		if err := syscall.Statfs(place, &of); err != nil {
			continue // made at first start
		}
		free := of.Bavail * uint64(of.Bsize) //nolint:gosec // a block's size is positive
		check, status, fix := [...]string{"disk-space", "disk-space-database"}[i], doctorOK, ""
		if free < scarceSpace {
			status, fix = doctorWarning, "make room, or move "+place
		}
		if free < noSpace {
			status = doctorFailing
		}
		d.report(check, status, fmt.Sprintf("%d MiB free at %s", free>>20, place), fix)
	}
}

// soon is how long before its end a certificate that people must renew is reported.
const soon = 30 * 24 * time.Hour

// certificates looks at the certificates in files: the listeners', and those of programs.
func (d *doctor) certificates() {
	files := map[string]string{filepath.Join(d.cfg.tlsDir(), "root.pem"): "give clients a new root: move the folder tls away and start anew"}
	order := []string{filepath.Join(d.cfg.tlsDir(), "root.pem")}
	add := func(file, fix string) {
		if file != "" {
			files[file] = fix
			order = append(order, file)
		}
	}
	add(filepath.Join(d.cfg.tlsDir(), "issuer.pem"), "put tls/root.key back and restart: it is renewed")
	if d.cfg.TLS.Mode == tlsconfig.ModeExternal {
		add(d.cfg.TLS.Certificate.String(), "renew it where it came from; the service takes the new file over by itself")
	}
	if d.cfg.TLS.Mode == tlsconfig.ModeMixed {
		add(d.cfg.TLS.IssuerCertificate.String(), "renew it where it came from; the service takes the new file over by itself")
	}
	clients, _ := filepath.Glob(filepath.Join(d.cfg.DataDir.String(), "credentials", "*.pem")) // fails for no fixed pattern
	for _, file := range clients {
		id := filepath.Base(file[:len(file)-len(".pem")])
		add(file, fmt.Sprintf("%s credential certificate --config %s --id %s", d.path, d.file, id))
	}
	for _, file := range order {
		d.certificate(file, files[file])
	}
}

// firstCertificate reads the first certificate of a PEM file, which may hold a key too.
func firstCertificate(file string) (*x509.Certificate, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			return x509.ParseCertificate(block.Bytes)
		}
	}
	return nil, fmt.Errorf("%s holds no PEM certificate", file)
}

func (d *doctor) certificate(file, fix string) {
	check := "certificate-" + filepath.Base(file)
	leaf, err := firstCertificate(file)
	if errors.Is(err, fs.ErrNotExist) {
		d.report(check, doctorOK, "made at first start", "")
		return
	}
	if err != nil {
		d.report(check, doctorFailing, err.Error(), "restore it from a backup, or: "+fix)
		return
	}
	now := time.Now()
	detail := "until " + leaf.NotAfter.UTC().Format(time.RFC3339)
	switch {
	case now.Before(leaf.NotBefore):
		d.report(check, doctorFailing, "valid only from "+leaf.NotBefore.UTC().Format(time.RFC3339), "set this machine's clock")
	case now.After(leaf.NotAfter):
		d.report(check, doctorFailing, detail, fix)
	case leaf.NotAfter.Sub(now) < soon:
		d.report(check, doctorWarning, detail, fix)
	default:
		d.report(check, doctorOK, detail, "")
	}
}

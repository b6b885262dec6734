package revocation

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// lists keeps revocation lists by where they come from and who issued them, within a bound.
type lists struct {
	mu    sync.Mutex
	slots map[place]*slot
	bound int
	files map[string][sha256.Size]byte // digests of the files as they were read last
}

// place is a source and, by name and key, an issuer.
type place struct{ source, name, key string }

// slot holds one list. Its lock is held while the list is fetched.
type slot struct {
	mu    sync.Mutex
	list  *list
	renew time.Time // when to fetch it anew
	err   error     // why there is none
}

// slot finds or makes a place.
func (l *lists) slot(source string, issuer *x509.Certificate) *slot {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := place{source, string(issuer.RawSubject), string(issuer.RawSubjectPublicKeyInfo)}
	if s, ok := l.slots[key]; ok {
		return s
	}
	if len(l.slots) >= l.bound {
		for other := range l.slots {
			delete(l.slots, other)
			break
		}
	}
	s := &slot{}
	l.slots[key] = s
	return s
}

// askLists looks into the lists that the certificate names and then into those of the configuration.
func (k *Checker) askLists(ctx context.Context, certificate, issuer *x509.Certificate) (status, []error) {
	points := slices.DeleteFunc(slices.Clone(certificate.CRLDistributionPoints), func(u string) bool { return !fetchable(u) })
	points = points[:min(len(points), maxAsked)]
	var failures []error
	for _, source := range slices.Concat(points, k.config.CRLs) {
		s, err := k.askList(ctx, source, certificate, issuer)
		if err == nil {
			return s, nil
		}
		if !errors.Is(err, errOtherIssuer) {
			failures = append(failures, fmt.Errorf("CRL %s: %w", source, err))
		}
	}
	return status{}, failures
}

// askList looks into one list and, if there is one, its delta.
func (k *Checker) askList(ctx context.Context, source string, certificate, issuer *x509.Certificate) (status, error) {
	generation := k.generation.Load() // of before: a list that is replaced meanwhile is looked into again
	base, renew, err := k.list(ctx, source, issuer)
	if err != nil {
		return status{}, err
	}
	if base.base != nil {
		return status{}, errors.New("revocation list: it is a delta")
	}
	if err := base.covers(certificate); err != nil {
		return status{}, err
	}
	var delta *list
	for _, freshest := range append(freshestOf(certificate), base.deltas...) {
		if !fetchable(freshest) {
			continue
		}
		change, renewDelta, err := k.list(ctx, freshest, issuer)
		if err == nil {
			err = base.fits(change)
		}
		if renewDelta.Before(renew) {
			renew = renewDelta
		}
		if err == nil {
			delta = change
			break
		}
		k.log.Warn("a delta revocation list cannot be used; the whole one counts", "list", freshest, "error", err)
	}
	s := base.find(certificate.SerialNumber, delta)
	s.renew, s.lists = renew, max(generation, 1)
	return s, nil
}

// list gives the list of an issuer from a source: from memory, or fetched. An old one that is valid serves while a newer one cannot be had.
func (k *Checker) list(ctx context.Context, source string, issuer *x509.Certificate) (*list, time.Time, error) {
	s := k.lists.slot(source, issuer)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := k.now()
	if now.Before(s.renew) && (s.list == nil || now.Before(s.list.until)) {
		return s.list, s.renew, s.err
	}
	fetched, err := k.fetchList(ctx, source, issuer)
	now = k.now()
	if err == nil && s.list != nil && now.Before(s.list.until) && older(fetched, s.list) {
		err = errors.New("revocation list: it is older than the one that is known")
	}
	if err == nil {
		if s.list != nil || s.err != nil {
			k.generation.Add(1)
		}
		s.list, s.renew, s.err = fetched, renewal(fetched.asOf, fetched.until, now), nil
		return s.list, s.renew, nil
	}
	s.renew = now.Add(retryAfter)
	if s.list != nil && now.Before(s.list.until) {
		k.log.Warn("a newer revocation list cannot be had; the old one counts", "list", source, "until", s.list.until, "error", err)
		return s.list, s.renew, nil
	}
	s.list, s.err = nil, err
	return nil, s.renew, err
}

// older compares by number, and by date where there is none.
func older(a, b *list) bool {
	if a.number != nil && b.number != nil {
		return a.number.Cmp(b.number) < 0
	}
	return a.asOf.Before(b.asOf)
}

// fetchList reads a file or fetches a URL.
func (k *Checker) fetchList(ctx context.Context, source string, issuer *x509.Certificate) (*list, error) {
	if strings.HasPrefix(source, "/") {
		content, err := k.readFile(source)
		if err != nil {
			return nil, err
		}
		return readList(content, issuer, k.now())
	}
	release, err := k.fetchSlot(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	answer, err := k.crl.Get(ctx, source, "application/pkix-crl")
	if err != nil {
		return nil, err
	}
	if answer.Status != http.StatusOK {
		return nil, fmt.Errorf("HTTP status %d", answer.Status)
	}
	return readList(answer.Body, issuer, k.now())
}

// readFile reads a file within the bound.
func (k *Checker) readFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > int64(k.config.MaxCRL) {
		return nil, fmt.Errorf("%s has %d bytes; %s are the most", name, info.Size(), k.config.MaxCRL)
	}
	return os.ReadFile(name)
}

// openFiles refuses to start with files that are no lists.
func (k *Checker) openFiles() error {
	for _, source := range k.config.CRLs {
		if !strings.HasPrefix(source, "/") {
			continue
		}
		content, err := k.readFile(source)
		if err == nil {
			if block, _ := pem.Decode(content); block != nil {
				content = block.Bytes
			}
			_, err = x509.ParseRevocationList(content)
		}
		if err != nil {
			return fmt.Errorf("revocation list %s: %w", source, err)
		}
	}
	k.lists.files = k.digests()
	return nil
}

// Run takes over files that have changed until ctx ends.
func (k *Checker) Run(ctx context.Context) {
	tick := time.NewTicker(k.poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			k.refreshFiles()
		}
	}
}

// refreshFiles has the lists from changed files read again when they are needed next.
func (k *Checker) refreshFiles() {
	digests := k.digests()
	k.lists.mu.Lock()
	var changed []string
	for source, digest := range digests {
		if digest != k.lists.files[source] {
			changed = append(changed, source)
		}
	}
	k.lists.files = digests
	var stale []*slot
	for key, s := range k.lists.slots {
		if slices.Contains(changed, key.source) {
			stale = append(stale, s)
		}
	}
	k.lists.mu.Unlock()
	for _, s := range stale {
		s.mu.Lock()
		s.renew = time.Time{}
		s.mu.Unlock()
	}
	if len(changed) > 0 {
		k.generation.Add(1)
		k.log.Info("revocation lists changed", "files", strings.Join(changed, " "))
	}
}

// digests covers the files of the configuration; one that cannot be read counts as empty.
func (k *Checker) digests() map[string][sha256.Size]byte {
	all := map[string][sha256.Size]byte{}
	for _, source := range k.config.CRLs {
		if strings.HasPrefix(source, "/") {
			content, _ := os.ReadFile(source) // the look-up reports what is wrong with it
			all[source] = sha256.Sum256(content)
		}
	}
	return all
}

// freshestOf lists where a certificate says that deltas are (RFC 5280 section 4.2.1.15).
func freshestOf(c *x509.Certificate) []string {
	for _, e := range c.Extensions {
		if e.Id.Equal(oidFreshest()) {
			if urls, err := pointURLs(e.Value); err == nil {
				return urls[:min(len(urls), maxAsked)]
			}
		}
	}
	return nil
}

// namesSomebody says whether a certificate names a responder or a distribution point, reachable or not.
func namesSomebody(c *x509.Certificate) bool {
	const ocsp = "\x06\x08\x2b\x06\x01\x05\x05\x07\x30\x01" // the encoding of id-ad-ocsp, 1.3.6.1.5.5.7.48.1
	for _, e := range c.Extensions {
		if e.Id.Equal(oidDistributionPoints()) || e.Id.Equal(oidAuthorityAccess()) && bytes.Contains(e.Value, []byte(ocsp)) {
			return true
		}
	}
	return false
}

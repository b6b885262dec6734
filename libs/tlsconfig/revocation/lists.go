package revocation

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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
	known atomic.Pointer[list] // set under the lock
	mu    sync.Mutex
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
	now, known := k.now(), s.known.Load()
	if now.Before(s.renew) && (known == nil || now.Before(known.until)) {
		return known, s.renew, s.err
	}
	fetched, err := k.fetchList(ctx, source, issuer)
	now = k.now()
	valid := known != nil && now.Before(known.until)
	if err == nil && valid && older(fetched, known) {
		err = errors.New("revocation list: it is older than the one that is known")
	}
	switch {
	case err == nil:
		if known != nil || s.err != nil {
			defer k.generation.Add(1) // once the new list can be seen
		}
		s.known.Store(fetched)
		s.renew, s.err = renewal(fetched.asOf, fetched.until, now), nil
		return fetched, s.renew, nil
	case valid:
		k.log.Warn("a newer revocation list cannot be had; the old one counts", "list", source, "until", known.until, "error", err)
		s.renew = now.Add(retryAfter)
		return known, s.renew, nil
	default:
		s.known.Store(nil)
		s.renew, s.err = now.Add(retryAfter), err
		return nil, s.renew, err
	}
}

// held says whether a list of the issuer that is at hand, without fetching one, holds a certificate.
func (k *Checker) held(c, issuer *x509.Certificate) bool {
	for _, source := range k.config.CRLs {
		if strings.HasPrefix(source, "/") {
			_, _, _ = k.list(k.ctx, source, issuer) // reads the file; what is wrong with it is reported where it is asked for
		}
	}
	k.lists.mu.Lock()
	defer k.lists.mu.Unlock()
	for at, s := range k.lists.slots {
		if at.name != string(issuer.RawSubject) || at.key != string(issuer.RawSubjectPublicKeyInfo) {
			continue
		}
		if l := s.known.Load(); l != nil {
			if e, ok := l.entries[string(c.SerialNumber.Bytes())]; ok && e.reason != reasonRemoved {
				return true
			}
		}
	}
	return false
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

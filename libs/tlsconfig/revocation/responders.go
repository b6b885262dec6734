package revocation

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// maxAsked bounds the responders, and the distribution points, of one certificate that are asked.
const maxAsked = 4

// maxRemembered bounds what is remembered about responders and about issuers each.
const maxRemembered = 1024

// responder is what is remembered about a responder for one issuer.
type responder struct {
	old  bool      // it knows certificates by SHA-1 names only
	next time.Time // it did not answer; when to ask again
}

// askResponders asks the certificate's responders in turn until one answers.
func (k *Checker) askResponders(ctx context.Context, certificate, issuer *x509.Certificate) (status, []error) {
	servers := slices.DeleteFunc(slices.Clone(certificate.OCSPServer), func(u string) bool { return !fetchable(u) })
	if len(servers) == 0 {
		return status{}, nil
	}
	issuerNames, err := k.namesOf(issuer)
	if err != nil {
		return status{}, []error{err}
	}
	ids := issuerNames.ids(certificate.SerialNumber)
	var failures []error
	for _, server := range servers[:min(len(servers), maxAsked)] {
		s, err := k.askResponder(ctx, server, ids, issuer)
		if err == nil && s.outcome == outcomeUnknown {
			err = errors.New("the responder does not know the certificate")
		}
		if err == nil {
			s.renew = renewal(s.asOf, s.until, k.now())
			return s, nil
		}
		failures = append(failures, fmt.Errorf("OCSP %s: %w", server, err))
	}
	return status{}, failures
}

// askResponder asks one responder, by SHA-256 names first. Many know certificates by SHA-1 names only (RFC 5019 section 2.1.1) and say of others
// that they are unauthorized, malformed or unknown, or answer by their own name for them.
func (k *Checker) askResponder(ctx context.Context, server string, ids []certID, issuer *x509.Certificate) (status, error) {
	key := server + " " + string(issuer.RawSubjectPublicKeyInfo)
	known := k.responder(key)
	if k.now().Before(known.next) {
		return status{}, errors.New("it did not answer a moment ago")
	}
	first := 0
	if known.old {
		first = 1
	}
	var s status
	var err error
	for i := first; i < len(ids); i++ {
		s, err = k.exchange(ctx, server, ids, i, issuer)
		if err == nil && s.outcome != outcomeUnknown {
			k.remember(key, responder{old: i == 1})
			return s, nil
		}
		if _, refused := errors.AsType[responderError](err); err != nil && !refused && !errors.Is(err, errOtherName) {
			break // it did not understand less: it did not answer, or answered what cannot be believed
		}
	}
	if err != nil {
		k.remember(key, responder{old: known.old, next: k.now().Add(retryAfter)})
	}
	return s, err
}

// exchange asks by one name and reads the answer under any.
func (k *Checker) exchange(ctx context.Context, server string, ids []certID, name int, issuer *x509.Certificate) (status, error) {
	request, err := requestFor(ids[name])
	if err != nil {
		return status{}, err
	}
	release, err := k.fetchSlot(ctx)
	if err != nil {
		return status{}, err
	}
	defer release()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, server, bytes.NewReader(request))
	if err != nil {
		return status{}, err
	}
	r.Header.Set("Content-Type", "application/ocsp-request")
	r.Header.Set("Accept", "application/ocsp-response")
	answer, err := k.ocsp.Fetch(r)
	if err != nil {
		return status{}, err
	}
	if answer.Status != http.StatusOK {
		return status{}, fmt.Errorf("HTTP status %d", answer.Status)
	}
	return k.question(ids, issuer).readResponse(answer.Body)
}

// question is about a certificate of an issuer, now.
func (k *Checker) question(ids []certID, issuer *x509.Certificate) question {
	return question{ids: ids, issuer: issuer, now: k.now(), revoked: func(delegate *x509.Certificate) bool { return k.held(delegate, issuer) }}
}

// TakeStaple implements tlsconfig.StapleTaker.
func (k *Checker) TakeStaple(chain []*x509.Certificate, response []byte) {
	if len(chain) < 2 {
		return
	}
	certificate, issuer := chain[0], chain[1]
	now := k.now()
	if s, ok := k.memory.get(certificate.Raw); ok && s.answered() && now.Before(s.renew) {
		return // as good as what could be in it
	}
	issuerNames, err := k.namesOf(issuer)
	if err != nil || certificate.CheckSignatureFrom(issuer) != nil {
		return
	}
	s, err := k.question(issuerNames.ids(certificate.SerialNumber), issuer).readResponse(response)
	if err != nil || !s.answered() {
		k.log.Info("the server's OCSP response is not used", "serial", certificate.SerialNumber.Text(16), "error", err)
		return
	}
	s.renew = renewal(s.asOf, s.until, now)
	k.memory.put(certificate.Raw, s, now)
}

// namesOf computes the names of an issuer once.
func (k *Checker) namesOf(issuer *x509.Certificate) (names, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if n, ok := k.issuers[string(issuer.Raw)]; ok {
		return n, nil
	}
	n, err := namesOf(issuer)
	if err != nil {
		return names{}, err
	}
	dropOne(k.issuers)
	k.issuers[string(issuer.Raw)] = n
	return n, nil
}

func (k *Checker) responder(key string) responder {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.responders[key]
}

func (k *Checker) remember(key string, r responder) {
	k.mu.Lock()
	defer k.mu.Unlock()
	dropOne(k.responders)
	k.responders[key] = r
}

// dropOne makes room in a memory that is full.
func dropOne[V any](m map[string]V) {
	if len(m) < maxRemembered {
		return
	}
	for key := range m {
		delete(m, key)
		return
	}
}

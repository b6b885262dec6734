package revocation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/database/changes"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/ocsp"
)

// ResponderConfig is what a Responder needs; everything is required.
type ResponderConfig struct {
	Store     Store
	Issuers   Issuers
	Keys      Keys
	Delegates *Delegates
	// Follower tells of changes. The Responder is made before it runs.
	Follower *changes.Follower
	// StatusKind, DelegateKind and IssuerKind are the kinds under which the change sequence tells of certificates by serial number, and of responders and
	// CAs by the CA's id.
	StatusKind, DelegateKind, IssuerKind string
	Now                                  func() time.Time
	Settings                             Settings
	// Capacity bounds how many certificates' statuses, with their responses, are kept in memory.
	Capacity int
}

// Responder answers OCSP requests. What it knows of certificates, and the responses that it has signed, it keeps for as long as the change sequence
// says that nothing has changed: a revocation is told within a second on every replica. It is safe for concurrent use.
type Responder struct {
	cfg        ResponderConfig
	statuses   *changes.Cache[*known]
	identities *changes.Cache[*identity] // by id of the CA

	mu         sync.Mutex
	identified map[[2]string]*identity // the last ones by tenant and CA; guarded by mu
}

// maxIdentities bounds how many CAs' responders are kept open.
const maxIdentities = 1000

// NewResponder returns a Responder; an error names what the configuration lacks.
func NewResponder(cfg ResponderConfig) (*Responder, error) {
	if cfg.Store == nil || cfg.Issuers == nil || cfg.Keys == nil || cfg.Delegates == nil || cfg.Follower == nil || cfg.Now == nil ||
		cfg.StatusKind == "" || cfg.DelegateKind == "" || cfg.IssuerKind == "" || cfg.Capacity < 1 {
		return nil, errors.New("responder: everything is required")
	}
	return &Responder{
		cfg: cfg, identified: map[[2]string]*identity{},
		statuses:   changes.NewCache[*known](cfg.Follower, []string{cfg.StatusKind}, cfg.Capacity),
		identities: changes.NewCache[*identity](cfg.Follower, []string{cfg.DelegateKind, cfg.IssuerKind}, maxIdentities),
	}, nil
}

// known is the status of a certificate, with the responses that were signed about it.
type known struct {
	certificate Certificate

	mu     sync.RWMutex
	signed map[string]*Answer // by CertID; guarded by mu
}

// maxForms bounds the ways of naming a certificate for which responses are kept: two hashes, with and without parameters.
const maxForms = 4

// Answer is what is sent.
type Answer struct {
	// DER is an OCSP response; nobody may change it.
	DER []byte
	// Fresh says how long it may be kept; nil for not at all.
	Fresh *ocsp.Freshness

	renewAt time.Time
	by      *identity
}

// Answer answers a request to the responder of a CA. There always is an answer; the error says what went wrong where it is one that says so, for
// the log.
func (r *Responder) Answer(ctx context.Context, tenant, ca string, request []byte) (Answer, error) {
	parsed, err := ocsp.ParseRequest(request)
	if err != nil {
		return refused(ocsp.MalformedRequest), nil //nolint:nilerr // the requester's fault, who is told
	}
	by, err := r.identity(ctx, tenant, ca)
	if errors.Is(err, ErrNotFound) {
		return refused(ocsp.Unauthorized), nil
	}
	if err != nil {
		return later(err)
	}
	for i := range parsed.IDs {
		name, ok := parsed.IDs[i].Issuer()
		if _, ours := by.names[name]; !ok || !ours {
			return refused(ocsp.Unauthorized), nil
		}
	}
	answer, err := r.answer(ctx, by, parsed)
	if err != nil {
		return later(err)
	}
	return answer, nil
}

// identity is by whom is signed; ErrNotFound where the CA is not here or has nobody. One that has expired is looked for anew.
func (r *Responder) identity(ctx context.Context, tenant, ca string) (*identity, error) {
	load := func(ctx context.Context) (*identity, error) { return r.identify(ctx, tenant, ca) }
	by, err := r.identities.Get(ctx, tenant, ca, load)
	if err == nil && !r.cfg.Now().Before(by.until) {
		r.identities.Forget(tenant, ca)
		by, err = r.identities.Get(ctx, tenant, ca, load)
	}
	return by, err
}

func refused(why ocsp.Refusal) Answer { return Answer{DER: why.DER()} }

// later is the answer when the state cannot be known now, or something has failed.
func later(err error) (Answer, error) {
	if _, stale := errors.AsType[*changes.StaleError](err); stale || errors.Is(err, barrier.ErrSealed) {
		return refused(ocsp.TryLater), err
	}
	return refused(ocsp.InternalError), err
}

// answer answers a request about certificates of the identity's CA.
func (r *Responder) answer(ctx context.Context, by *identity, request *ocsp.Request) (Answer, error) {
	if len(request.IDs) == 1 && request.Nonce == nil {
		return r.single(ctx, by, &request.IDs[0])
	}
	now := r.cfg.Now()
	response := ocsp.Response{ProducedAt: now, Nonce: request.Nonce}
	for i := range request.IDs {
		id := &request.IDs[i]
		status, err := r.status(ctx, by, id)
		if err != nil {
			return Answer{}, err
		}
		response.Singles = append(response.Singles, r.say(by, id, status, now))
	}
	der, err := r.sign(ctx, by, response)
	return Answer{DER: der}, err
}

// single answers about one certificate, from memory if it was asked before.
func (r *Responder) single(ctx context.Context, by *identity, id *ocsp.CertID) (Answer, error) {
	status, err := r.status(ctx, by, id)
	if err != nil {
		return Answer{}, err
	}
	now := r.cfg.Now()
	if status == nil {
		return r.fresh(ctx, by, id, nil, now)
	}
	status.mu.RLock()
	kept := status.signed[string(id.Raw)]
	status.mu.RUnlock()
	if kept.good(by, now) {
		return *kept, nil
	}
	status.mu.Lock()
	defer status.mu.Unlock()
	if kept = status.signed[string(id.Raw)]; kept.good(by, now) {
		return *kept, nil
	}
	answer, err := r.fresh(ctx, by, id, status, now)
	if err != nil {
		return Answer{}, err
	}
	if len(status.signed) >= maxForms {
		clear(status.signed)
	}
	status.signed[string(id.Raw)] = &answer
	return answer, nil
}

// good tells whether a kept answer is to be given: nil is none.
func (a *Answer) good(by *identity, now time.Time) bool {
	return a != nil && a.by == by && now.Before(a.renewAt) && !now.Before(a.Fresh.ProducedAt)
}

// fresh signs an answer about one certificate; nil for one that was never issued.
func (r *Responder) fresh(ctx context.Context, by *identity, id *ocsp.CertID, status *known, now time.Time) (Answer, error) {
	single := r.say(by, id, status, now)
	der, err := r.sign(ctx, by, ocsp.Response{ProducedAt: now, Singles: []ocsp.Single{single}})
	if err != nil {
		return Answer{}, err
	}
	const half = 2
	answer := Answer{DER: der, by: by, renewAt: now.Add(single.NextUpdate.Sub(now) / half)}
	answer.Fresh = &ocsp.Freshness{
		ProducedAt: now.Truncate(time.Second), NextUpdate: single.NextUpdate, MaxAge: r.cfg.Settings.MaxAge, Tag: tagOf(der),
	}
	if status == nil {
		answer.Fresh = nil
	}
	return answer, nil
}

// say is the answer about a certificate; nil for one that was never issued.
func (r *Responder) say(by *identity, id *ocsp.CertID, status *known, now time.Time) ocsp.Single {
	next := now.Add(r.cfg.Settings.validity(by.issuer.Family))
	if by.until.Before(next) && now.Before(by.until.Add(-time.Second)) {
		next = by.until // nobody believes the responder for longer
	}
	single := ocsp.Single{ID: id.Raw, Status: ocsp.Unknown, ThisUpdate: now, NextUpdate: next}
	switch {
	case status == nil:
	case status.certificate.State == Revoked:
		single.Status, single.RevokedAt, single.Reason = ocsp.Revoked, status.certificate.RevokedAt, status.certificate.Reason
	default: // one that is intended may have been signed
		single.Status = ocsp.Good
	}
	return single
}

// status is what is known of a certificate of the identity's CA; nil for one that it never issued, which is not kept in memory: it may be
// issued.
func (r *Responder) status(ctx context.Context, by *identity, id *ocsp.CertID) (*known, error) {
	number, ok := id.Number()
	if !ok {
		return nil, nil //nolint:nilnil // see above
	}
	serial := hex.EncodeToString(number)
	status, err := r.statuses.Get(ctx, by.issuer.Tenant, serial, func(ctx context.Context) (*known, error) {
		c, err := r.cfg.Store.Status(ctx, by.issuer.Tenant, serial)
		return &known{certificate: c, signed: map[string]*Answer{}}, err
	})
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, nil //nolint:nilnil // see above
	case err != nil:
		return nil, fmt.Errorf("look for the status: %w", err)
	case status.certificate.CAID != by.issuer.ID:
		return nil, nil //nolint:nilnil // another CA's
	}
	return status, nil
}

// tagOf identifies a response.
func tagOf(der []byte) string {
	const enough = 16 // bytes
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:enough])
}

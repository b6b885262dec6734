package revocation

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig/guarded"
)

// shortLife is how long a certificate may live that needs no status.
const shortLife = 7 * 24 * time.Hour

// maxResponse bounds an OCSP response with its certificates.
const maxResponse = 64 * config.KiB

// maxFetches bounds the fetches at once.
const maxFetches = 16

// lookUpShare is how many fetches that take their whole time end a look-up.
const lookUpShare = 4

// Checker knows the status of certificates. It may be used by many goroutines at once.
type Checker struct {
	config   Config
	now      func() time.Time
	log      *slog.Logger
	poll     time.Duration
	ocsp     *guarded.Client
	crl      *guarded.Client
	ownRoots map[string]struct{} // by DER
	memory   memory
	lists    lists

	fetching chan struct{}   // one element for each fetch that is under way
	ctx      context.Context //nolint:containedctx // the life of the checker, which look-ups share and Close ends
	cancel   context.CancelFunc

	mu         sync.Mutex // guards what follows
	closed     bool
	running    sync.WaitGroup     // look-ups
	flights    map[string]*flight // by the DER of the certificate
	responders map[string]responder
	issuers    map[string]names // by DER

	generation atomic.Uint64 // of the lists; raised whenever one is replaced
}

// flight is a look-up that is under way.
type flight struct {
	done   chan struct{}
	status status // valid once done is closed
}

// New makes a checker and reads the lists that are files. Close ends it.
func New(c Config, o Options) (*Checker, error) {
	if problems := c.Validate(); len(problems) > 0 {
		return nil, fmt.Errorf("new revocation checker: %w", config.Problems(problems))
	}
	c = c.filled()
	allow, err := guarded.ParseAllow(c.AllowAddresses)
	if err != nil {
		return nil, fmt.Errorf("new revocation checker: %w", err)
	}
	limits := guarded.Config{
		Allow: allow, PlainHTTP: true, Timeout: c.Timeout, ConnectTimeout: c.Timeout, HeaderTimeout: c.Timeout, MaxRedirects: 2, Resolver: o.Resolver,
	}
	limits.MaxBody = maxResponse
	ocsp, err := guarded.New(limits)
	if err != nil {
		return nil, fmt.Errorf("new revocation checker: %w", err)
	}
	limits.MaxBody = c.MaxCRL
	crl, err := guarded.New(limits)
	if err != nil {
		return nil, fmt.Errorf("new revocation checker: %w", err)
	}
	k := &Checker{
		config: c, now: o.Now, log: o.Log, poll: o.Poll, ocsp: ocsp, crl: crl, ownRoots: map[string]struct{}{},
		memory: memory{known: map[string]status{}, bound: c.MaxCertificates}, lists: lists{slots: map[place]*slot{}, bound: c.MaxLists},
		fetching: make(chan struct{}, maxFetches), flights: map[string]*flight{}, responders: map[string]responder{}, issuers: map[string]names{},
	}
	if k.now == nil {
		k.now = time.Now
	}
	if k.log == nil {
		k.log = slog.New(slog.DiscardHandler)
	}
	if k.poll <= 0 {
		k.poll = defaultPoll
	}
	for _, root := range o.OwnRoots {
		k.ownRoots[string(root.Raw)] = struct{}{}
	}
	k.generation.Store(1)
	if err := k.openFiles(); err != nil {
		return nil, fmt.Errorf("new revocation checker: %w", err)
	}
	k.ctx, k.cancel = context.WithCancel(context.Background())
	return k, nil
}

// Close ends every look-up and waits for them. Check then knows what is in memory and nothing else.
func (k *Checker) Close() {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	k.cancel()
	k.running.Wait()
	k.ocsp.CloseIdleConnections()
	k.crl.CloseIdleConnections()
}

// Check implements tlsconfig.StatusChecker. The chain must be verified, root last: what it names is fetched. The error is an [*Error].
func (k *Checker) Check(ctx context.Context, chain []*x509.Certificate) error {
	now := k.now()
	for i := 0; i+1 < len(chain); i++ {
		if err := k.checkOne(ctx, chain[i:], now); err != nil {
			return err
		}
	}
	return nil
}

// checkOne checks the first certificate of a chain; the second is its issuer.
func (k *Checker) checkOne(ctx context.Context, chain []*x509.Certificate, now time.Time) error {
	certificate := chain[0]
	s, ok := k.memory.get(certificate.Raw)
	switch {
	case !ok && len(k.config.CRLs) == 0 && !namesSomebody(certificate):
		s.cause = errSilent
	case !ok || !now.Before(s.until) || s.lists != 0 && s.lists != k.generation.Load():
		// While an answer from a list is in force and only the lists have changed, they are looked into again and nobody else is asked.
		f := k.lookUp(certificate, chain[1], ok && now.Before(s.until) && now.Before(s.renew))
		select {
		case <-f.done:
			s = f.status
		case <-ctx.Done():
			return k.refuse(certificate, fmt.Errorf("%w in time: %w", ErrUndetermined, ctx.Err()))
		}
	case !now.Before(s.renew):
		k.lookUp(certificate, chain[1], false) // for later; the old answer is good until it ends
	}
	switch {
	case s.outcome == outcomeGood:
		return nil
	case s.outcome == outcomeRevoked:
		return k.refuse(certificate, fmt.Errorf("%w since %s (reason %d)", ErrRevoked, s.at.UTC().Format(time.RFC3339), s.reason))
	case k.config.Mode == ModePermissive, k.needsNone(chain):
		return nil
	default:
		return k.refuse(certificate, fmt.Errorf("%w: %w", ErrUndetermined, s.cause))
	}
}

func (k *Checker) refuse(c *x509.Certificate, cause error) error {
	return &Error{Subject: c.Subject.String(), Serial: c.SerialNumber.Text(16), cause: cause}
}

// errSilent is for a certificate without a responder, a distribution point, or a list in the configuration.
var errSilent = errors.New("it names nobody to ask")

// needsNone says whether the first certificate of a chain passes although nobody knows its status: it names nobody to ask, and it is of this
// installation or lives for a short time.
func (k *Checker) needsNone(chain []*x509.Certificate) bool {
	if namesSomebody(chain[0]) {
		return false
	}
	_, own := k.ownRoots[string(chain[len(chain)-1].Raw)]
	return own || chain[0].NotAfter.Sub(chain[0].NotBefore) <= shortLife
}

// lookUp begins to look for a status, in the lists only or by all means, or joins a look-up that is under way.
func (k *Checker) lookUp(certificate, issuer *x509.Certificate, listsOnly bool) *flight {
	k.mu.Lock()
	defer k.mu.Unlock()
	key := string(certificate.Raw)
	if f, ok := k.flights[key]; ok {
		return f
	}
	f := &flight{done: make(chan struct{})}
	if k.closed {
		f.status = status{cause: errors.New("the checker is closed")}
		close(f.done)
		return f
	}
	k.flights[key] = f
	k.running.Go(func() {
		ctx, cancel := context.WithTimeout(k.ctx, lookUpShare*k.config.Timeout)
		defer cancel()
		f.status = k.find(ctx, certificate, issuer, listsOnly)
		k.mu.Lock()
		delete(k.flights, key)
		k.mu.Unlock()
		close(f.done)
	})
	return f
}

// find asks everybody who may know, in order, and keeps the first answer.
func (k *Checker) find(ctx context.Context, certificate, issuer *x509.Certificate, listsOnly bool) status {
	generation := k.generation.Load()
	s, failures := k.ask(ctx, certificate, issuer, listsOnly)
	now := k.now()
	if !s.answered() {
		if len(failures) == 0 {
			failures = append(failures, errSilent)
		}
		s.cause, s.until = errors.Join(failures...), now.Add(retryAfter)
		s.renew, s.lists = s.until, generation
	}
	known := k.memory.put(certificate.Raw, s, now)
	if !s.answered() && namesSomebody(certificate) {
		k.log.Warn("nobody tells the status of a certificate", "serial", certificate.SerialNumber.Text(16), "subject", certificate.Subject.String(),
			"mode", k.config.Mode, "still_known", known.answered(), "error", s.cause)
	}
	return known
}

// ask tries OCSP, the lists that the certificate names, and those of the configuration.
func (k *Checker) ask(ctx context.Context, certificate, issuer *x509.Certificate, listsOnly bool) (s status, failures []error) {
	if err := certificate.CheckSignatureFrom(issuer); err != nil { // the chain was not verified
		return s, []error{fmt.Errorf("the issuer in the chain is not its issuer: %w", err)}
	}
	if !listsOnly {
		if s, failures = k.askResponders(ctx, certificate, issuer); s.answered() {
			return s, nil
		}
	}
	s, more := k.askLists(ctx, certificate, issuer)
	return s, append(failures, more...)
}

// fetchSlot waits until one more fetch may begin.
func (k *Checker) fetchSlot(ctx context.Context) (release func(), err error) {
	select {
	case k.fetching <- struct{}{}:
		return func() { <-k.fetching }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

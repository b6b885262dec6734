package federation

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig/guarded"
)

// KeySets keeps the public key sets that others publish at https URLs which somebody outside has named. It is safe for concurrent use.
type KeySets struct {
	client *guarded.Client
	most   int
	now    func() time.Time

	mu    sync.Mutex
	byURL map[string]*list.Element // by form and URL; guarded by mu
	order *list.List               // of *namedSet, guarded by mu: what was used last comes first
}

type namedSet struct {
	name string // in byURL
	keys *KeySet
}

// NewKeySets keeps up to most sets, which client fetches. Those that were not used for longest make room.
func NewKeySets(client *guarded.Client, most int, now func() time.Time) *KeySets {
	return &KeySets{client: client, most: most, now: now, byURL: map[string]*list.Element{}, order: list.New()}
}

// Check refuses a URL that will not be fetched, as far as that shows without the network.
func (s *KeySets) Check(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return errors.New("it cannot be parsed")
	case u.Scheme != "https":
		return fmt.Errorf("the scheme %q is not https", u.Scheme)
	case u.Fragment != "":
		return errors.New("it has a fragment")
	}
	return s.client.Check(address)
}

// Key returns the public key of an id in the set at a URL. ErrUnknownKey if there is none; another error when the set cannot be had. Keys of a
// source that is away serve on for a day after their time.
func (s *KeySets) Key(ctx context.Context, address, id string) (*jwk.Key, error) {
	if err := s.Check(address); err != nil {
		return nil, fmt.Errorf("get keys of %s: %w", address, err)
	}
	key, err := s.set(address, keySetForm()).Key(ctx, id)
	switch {
	case err != nil:
		return nil, err
	case key.IsSymmetric(): // whoever reads the set could make what it verifies
		return nil, ErrUnknownKey
	case key.IsPrivate():
		return key.Public()
	}
	return key, nil
}

func (s *KeySets) set(address string, form form) *KeySet {
	name := form.name + " " + address
	s.mu.Lock()
	defer s.mu.Unlock()
	if held, there := s.byURL[name]; there {
		s.order.MoveToFront(held)
		return held.Value.(*namedSet).keys //nolint:forcetypeassert // the list holds nothing else
	}
	if s.order.Len() >= s.most {
		last := s.order.Back()
		delete(s.byURL, last.Value.(*namedSet).name) //nolint:forcetypeassert // likewise
		s.order.Remove(last)
	}
	keys := newKeySet(address, s.client.Do, true, s.now, form)
	s.byURL[name] = s.order.PushFront(&namedSet{name, keys})
	return keys
}

// Renew fetches the sets whose time is nearly over and that are in use; see [KeySet.Renew].
func (s *KeySets) Renew(ctx context.Context) {
	s.mu.Lock()
	all := make([]*KeySet, 0, s.order.Len())
	for at := s.order.Front(); at != nil; at = at.Next() {
		all = append(all, at.Value.(*namedSet).keys) //nolint:forcetypeassert // likewise
	}
	s.mu.Unlock()
	var group sync.WaitGroup
	room := make(chan struct{}, maxRenewals)
	for _, keys := range all {
		if ctx.Err() != nil {
			break
		}
		room <- struct{}{}
		group.Go(func() {
			defer func() { <-room }()
			_ = keys.Renew(ctx) // it is kept, and said to whoever needs the keys
		})
	}
	group.Wait()
}

// maxRenewals is how many sets are fetched side by side by Renew.
const maxRenewals = 8

// renewInterval is how often Run looks for sets to renew: several times within the least time that a set is kept.
const renewInterval = 2 * time.Second

// Run renews sets until ctx ends.
func (s *KeySets) Run(ctx context.Context) {
	ticker := time.NewTicker(renewInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			s.client.CloseIdleConnections()
			return
		case <-ticker.C:
			s.Renew(ctx)
		}
	}
}

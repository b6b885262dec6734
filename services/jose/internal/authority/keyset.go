package authority

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// KeySet is a tenant's public key set (RFC 7517 section 5) as it is served.
type KeySet struct {
	JSON []byte
	// ETag is a strong validator, quotes included.
	ETag string
}

// builtSet is a set that was built, and for how long it is right.
type builtSet struct {
	KeySet

	rings *Ring     // identifies the facts that it was built from: the first of a slice that nobody changes
	count int       // of them
	until time.Time // when one of its versions comes or goes; zero: never
}

// holds tells whether the set is that of the facts at a time.
func (b *builtSet) holds(rings []Ring, now time.Time) bool {
	return b.count == len(rings) && (len(rings) == 0 || b.rings == &rings[0]) && (b.until.IsZero() || now.Before(b.until))
}

// maxSets bounds the sets in memory: beyond it all are built anew.
const maxSets = 4096

// PublicSet is the set that anybody may read. While the barrier is sealed it is served as it was last.
func (a *Authority) PublicSet(ctx context.Context, tenant string) (KeySet, error) {
	rings, err := a.store.Published(ctx, tenant, MaxPublished)
	if err != nil {
		return KeySet{}, fmt.Errorf("load published keys: %w", err)
	}
	now := a.now()
	a.mu.RLock()
	built := a.sets[tenant]
	a.mu.RUnlock()
	if built != nil && built.holds(rings, now) {
		return built.KeySet, nil
	}
	built, err = a.buildSet(ctx, rings, now)
	if err != nil {
		return KeySet{}, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.sets) >= maxSets {
		clear(a.sets)
	}
	a.sets[tenant] = built
	return built.KeySet, nil
}

// Set is PublicSet for a caller who may read keys.
func (a *Authority) Set(ctx context.Context, caller Caller) (KeySet, error) {
	if err := decideScope(caller, OpRead); err != nil {
		return KeySet{}, err
	}
	return a.PublicSet(ctx, caller.Tenant)
}

// buildSet makes the set of the keys at a time.
func (a *Authority) buildSet(ctx context.Context, rings []Ring, now time.Time) (*builtSet, error) {
	built := &builtSet{count: len(rings)}
	if len(rings) > 0 {
		built.rings = &rings[0]
	}
	keys := []json.RawMessage{}
	for _, ring := range rings {
		for _, version := range ring.Versions {
			shown, until := ring.Key.shows(version, now)
			built.until = earlier(built.until, until)
			if !shown {
				continue
			}
			public, err := a.public(ctx, ring.Key, version)
			if err != nil {
				return nil, err
			}
			text, err := public.MarshalPublic()
			if err != nil {
				return nil, fmt.Errorf("encode JWK: %w", err)
			}
			keys = append(keys, text)
		}
	}
	text, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		return nil, fmt.Errorf("encode key set: %w", err)
	}
	built.KeySet = KeySet{JSON: text, ETag: jwk.ETag(text)}
	return built, nil
}

// shows tells whether a version stands in the public key set at a time, and when that may change (zero: never by itself).
//
// A version that signs is there before it is used, and until the last token that it may have signed has expired. Of what others encrypt
// to, only the version in use is there.
func (k Key) shows(version Version, now time.Time) (shown bool, until time.Time) {
	if k.Status != KeyActive || version.WrappedKey == "" {
		return false, time.Time{}
	}
	times := []time.Time{version.ActivateAt, version.RetireAt, version.PublishedUntil}
	if version.Certificate != nil { // valid through the last instant
		times = append(times, version.Certificate.NotBefore(), version.Certificate.NotAfter().Add(time.Nanosecond))
	}
	for _, at := range times {
		if at.After(now) {
			until = earlier(until, at)
		}
	}
	status := version.At(now)
	switch {
	case status == VersionActive:
		return true, until
	case !k.signs() || status == VersionDestroyed:
		return false, until
	case status == VersionRetired:
		return now.Before(version.PublishedUntil), until
	default:
		return true, until
	}
}

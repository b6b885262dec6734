package rotation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
)

// keeper keeps a public key set for as long as it may. It belongs to one goroutine.
type keeper struct {
	from  Replica
	tally *tally

	set      *jwk.Set
	etag     string
	lifetime time.Duration // as the last answer said
	fetched  time.Time
	until    time.Time
}

// maxSet bounds a key set, in bytes.
const maxSet = 1 << 20

var maxAge = regexp.MustCompile(`(?:^|[ ,])max-age=(\d+)`)

// errBusy is the answer of a service that has too much to do.
var errBusy = errors.New("key set: 503")

// refusals are how many answers in a row may say that the service is busy. Whoever has no set that he may use waits so long.
const refusals = 100

// fetch asks whether the set has changed, and takes it if so.
func (k *keeper) fetch(ctx context.Context) error {
	again := time.NewTicker(tick)
	defer again.Stop()
	for attempt := 1; ; attempt++ {
		err := k.try(ctx)
		if !errors.Is(err, errBusy) || attempt == refusals {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-again.C:
		}
	}
}

// try is fetch of a service that has time.
func (k *keeper) try(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, k.from.KeySet, http.NoBody)
	if err != nil {
		return err
	}
	if k.etag != "" {
		request.Header.Set("If-None-Match", k.etag)
	}
	response, err := k.from.Client.Do(request)
	if err != nil {
		return fmt.Errorf("fetch key set: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxSet))
	if err != nil {
		return fmt.Errorf("read key set: %w", err)
	}
	if response.StatusCode == http.StatusServiceUnavailable {
		return errBusy
	}
	found := maxAge.FindStringSubmatch(response.Header.Get("Cache-Control"))
	kept := k.etag != "" && response.StatusCode == http.StatusNotModified
	if found == nil || !kept && response.StatusCode != http.StatusOK {
		return fmt.Errorf("key set: %d, Cache-Control %q", response.StatusCode, response.Header.Get("Cache-Control"))
	}
	seconds, err := strconv.Atoi(found[1])
	if err != nil {
		return fmt.Errorf("key set: max-age: %w", err)
	}
	k.tally.fetched(kept)
	k.fetched, k.lifetime = time.Now(), time.Duration(seconds)*time.Second
	k.until = k.fetched.Add(k.lifetime)
	if kept {
		return nil
	}
	k.etag = response.Header.Get("ETag")
	if k.set, err = jwk.ParseSet(text); err != nil {
		return fmt.Errorf("key set: %w", err)
	}
	return nil
}

// check verifies a token by the set that is kept, which is fetched again only if it is too old. A token that has expired is nobody's.
func (k *keeper) check(ctx context.Context, one token) error {
	if !time.Now().Before(k.until) {
		if err := k.fetch(ctx); err != nil {
			return err
		}
	}
	public, ok := k.set.Find(one.kid)
	if !ok {
		if !time.Now().Before(one.expires) {
			return nil
		}
		return fmt.Errorf("a set that was fetched %s ago, and may be kept for %s, has no key %s", time.Since(k.fetched), k.lifetime, one.kid)
	}
	if _, _, err := jws.Verify(public, one.text, jws.Expect{}); err != nil {
		return fmt.Errorf("a token of %s: %w", one.kid, err)
	}
	k.tally.count(&k.tally.verified)
	return nil
}

func (k *keeper) has(kid string) bool {
	_, ok := k.set.Find(kid)
	return ok
}

// kids are those of the keys in the set.
func (k *keeper) kids() []string {
	kids := make([]string, len(k.set.Keys))
	for n, one := range k.set.Keys {
		kids[n] = one.ID
	}
	return kids
}

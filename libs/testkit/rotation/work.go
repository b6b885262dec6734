package rotation

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
)

// token is one that was issued.
type token struct {
	text    string
	kid     string
	expires time.Time
}

// parse reads who signed a token and when it expires.
func parse(text string) (token, error) {
	header, err := jws.ParseHeader(text)
	if err != nil {
		return token{}, fmt.Errorf("read token: %w", err)
	}
	var claims struct {
		Expires int64 `json:"exp"`
	}
	parts := strings.Split(text, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(payload, &claims)
	}
	if err != nil {
		return token{}, fmt.Errorf("read claims: %w", err)
	}
	if claims.Expires == 0 || header.KeyID == "" {
		return token{}, fmt.Errorf("the token has no exp or no kid: %s.%s", parts[0], payload)
	}
	return token{text: text, kid: header.KeyID, expires: time.Unix(claims.Expires, 0)}, nil
}

// issue has a replica sign until ctx ends.
func (r *run) issue(ctx context.Context, replica int) error {
	pace := time.NewTicker(r.cfg.Pace)
	defer pace.Stop()
	k := &keeper{from: r.cfg.Replicas[replica], tally: &tally{}}
	if err := k.fetch(ctx); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-pace.C:
		}
		before, asked := r.history.latest(), time.Now()
		text, err := r.cfg.Replicas[replica].Issue(ctx)
		if err != nil {
			return fmt.Errorf("replica %d issues nothing: %w", replica, err)
		}
		r.tally.issued(time.Since(asked))
		one, err := parse(text)
		if err != nil {
			return err
		}
		if err := r.history.add(replica, one, asked, before, k.lifetime); err != nil {
			return err
		}
	}
}

// watch notes what the set of a replica holds until ctx ends.
func (r *run) watch(ctx context.Context, replica int) error {
	again := time.NewTicker(tick)
	defer again.Stop()
	k := &keeper{from: r.cfg.Replicas[replica], tally: &tally{}}
	for {
		asked := time.Now()
		if err := k.fetch(ctx); err != nil {
			return err
		}
		if err := r.history.look(replica, asked, k.has, k.kids()); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-again.C:
		}
	}
}

// asks is how many tokens a verifier verifies by itself for each that it has a replica verify.
const asks = 20

// verify verifies every token by a set that is kept for its time, and for each an older one that still lives, until ctx ends.
func (r *run) verify(ctx context.Context, replica, number int) error {
	k := &keeper{from: r.cfg.Replicas[replica], tally: r.tally}
	if err := k.fetch(ctx); err != nil {
		return err
	}
	k.until = time.Now().Add(rand.N(k.lifetime + 1)) //nolint:gosec // not all of them at the same time
	who := fmt.Sprintf("verifier %d of replica %d", number, replica)
	for place := 0; ; {
		fresh, more := r.history.after(place)
		if len(fresh) == 0 {
			select {
			case <-ctx.Done():
				return nil
			case <-more:
			}
			continue
		}
		for _, one := range fresh {
			place++
			for _, one := range append([]token{one}, r.history.alive(place, time.Now())...) {
				if err := k.check(ctx, one); err != nil {
					return fmt.Errorf("%s: %w", who, err)
				}
			}
			if place%asks != 0 {
				continue
			}
			if err := r.ask(ctx, r.cfg.Replicas[(replica+place/asks)%len(r.cfg.Replicas)], one); err != nil {
				return fmt.Errorf("%s: %w", who, err)
			}
		}
	}
}

// ask has a replica verify a token, whoever has signed it.
func (r *run) ask(ctx context.Context, replica Replica, one token) error {
	err := replica.Verify(ctx, one.text)
	if err != nil && time.Now().Before(one.expires) {
		return fmt.Errorf("a replica refuses a token of %s: %w", one.kid, err)
	}
	if err == nil {
		r.tally.count(&r.tally.asked)
	}
	return nil
}

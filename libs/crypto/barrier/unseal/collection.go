package unseal

import (
	"slices"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/secretshare"
)

// ShareTime is how long a submitted share is kept while others are missing.
const ShareTime = 10 * time.Minute

// collection is the shares that were submitted for one purpose. They fit each other.
type collection struct {
	held []heldShare
}

type heldShare struct {
	share secretshare.Share
	since time.Time
}

// add keeps a share that fits. The error is a ShareError.
func (c *collection) add(share secretshare.Share, now time.Time) error {
	c.expire(now)
	if err := share.Fits(c.shares()); err != nil {
		share.Zero()
		return err
	}
	c.held = append(c.held, heldShare{share, now})
	return nil
}

// missing is how many shares the threshold wants yet; 1 while there is none.
func (c *collection) missing() int {
	if len(c.held) == 0 {
		return 1
	}
	return max(0, c.held[0].share.Threshold()-len(c.held))
}

// expire forgets the shares that have waited too long.
func (c *collection) expire(now time.Time) {
	c.held = slices.DeleteFunc(c.held, func(h heldShare) bool {
		late := now.Sub(h.since) >= ShareTime
		if late {
			h.share.Zero()
		}
		return late
	})
}

func (c *collection) forget() {
	for _, h := range c.held {
		h.share.Zero()
	}
	c.held = nil
}

func (c *collection) shares() []secretshare.Share {
	shares := make([]secretshare.Share, len(c.held))
	for i, h := range c.held {
		shares[i] = h.share
	}
	return shares
}

// progress is what may be told of the shares.
func (c *collection) progress() Progress {
	if len(c.held) == 0 {
		return Progress{}
	}
	first := c.held[0].share
	return Progress{Threshold: first.Threshold(), Submitted: len(c.held), SetID: first.SetID()}
}

// Progress tells how many shares of which set have been submitted; zero before the first one.
type Progress struct {
	Threshold, Submitted int
	SetID                string
}

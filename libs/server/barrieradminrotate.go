package server

import (
	"net/http"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// rotatePage is how many tenants one request rotates at most, so that it ends in time.
const rotatePage = 100

// RotateReport tells what a rotation did.
type RotateReport struct {
	Level string `json:"level"`
	// Done is false while shares are wanted: Submitted of Wanted of the set SetID are there.
	Done      bool   `json:"done"`
	Submitted int    `json:"submitted,omitempty"`
	Wanted    int    `json:"wanted,omitempty"`
	SetID     string `json:"set_id,omitempty"`
	// Tenants had their key rotated. Next, when not empty, is where the next request goes on (After).
	Tenants int    `json:"tenants,omitempty"`
	Next    string `json:"next,omitempty"`
}

// RewrapReport tells how far re-wrapping is.
type RewrapReport struct {
	// Run is "" when there was none yet.
	Run      string         `json:"run,omitempty"`
	Finished bool           `json:"finished"`
	Sources  []RewrapSource `json:"sources"`
}

// RewrapSource is a table with wrapped values, or a step of the barrier's own.
type RewrapSource struct {
	Source     string   `json:"source"`
	Scanned    int64    `json:"scanned"`
	Rewrapped  int64    `json:"rewrapped"`
	Failed     int64    `json:"failed"`
	Failure    string   `json:"failure,omitempty"`
	StartedAt  Instant  `json:"started_at"`
	UpdatedAt  Instant  `json:"updated_at"`
	FinishedAt *Instant `json:"finished_at,omitempty"`
}

func (a BarrierAdmin) rotate(r *http.Request) (any, error) {
	body, err := readBarrierRequest(r, "level", "tenant", "after", "share")
	if err != nil {
		return nil, err
	}
	level := barrier.Level(body.Level)
	switch level {
	case barrier.LevelRoot:
		if body.Tenant != "" || body.After != "" {
			return nil, problem.New(problem.BadRequest, "the root key belongs to no tenant")
		}

		return a.rotateRoot(r, body.Share)
	case barrier.LevelIntermediate, barrier.LevelContent:
		if body.Share != "" {
			return nil, problem.New(problem.BadRequest, "only the root key takes shares")
		}

		return a.rotateTenants(r, level, body)
	default:
		return nil, problem.New(problem.ValidationFailed, "level must be root, intermediate or content").
			With(problem.Field{Pointer: "/level", Detail: "must be root, intermediate or content"})
	}
}

func (a BarrierAdmin) rotateRoot(r *http.Request, share string) (any, error) {
	progress, done, err := a.Operator.RotateRoot(r.Context(), share)
	if err != nil {
		return nil, err
	}
	if done {
		logBarrier(r, "root key rotated")
	}

	return RotateReport{Level: string(barrier.LevelRoot), Done: done, Submitted: progress.Submitted, Wanted: progress.Threshold, SetID: progress.SetID}, nil
}

// rotateTenants rotates one tenant's key, or those of the next tenants.
func (a BarrierAdmin) rotateTenants(r *http.Request, level barrier.Level, body BarrierRequest) (any, error) {
	report := RotateReport{Level: string(level), Done: true}
	tenants := []string{body.Tenant}
	if a.Tenants == nil {
		return nil, problem.New(problem.InvalidState, "keys of tenants are not rotated here")
	}
	if a.Barrier.Sealed() {
		return nil, barrier.ErrSealed
	}
	if body.Tenant != "" {
		// Rotating makes the keys of a tenant that has none: a name that was mistyped must not become one.
		present, err := a.Barrier.Versions(r.Context(), barrier.LevelIntermediate, body.Tenant)
		if err != nil {
			return nil, err
		}
		if len(present) == 0 {
			return nil, problem.New(problem.NotFound, "this tenant has no keys")
		}
	} else {
		var err error
		if tenants, err = a.Tenants(r.Context(), body.After, rotatePage); err != nil {
			return nil, err
		}
	}
	for _, tenant := range tenants {
		if err := a.Barrier.Rotate(r.Context(), tenant, level); err != nil {
			return nil, err
		}
		report.Tenants++
	}
	if body.Tenant == "" && len(tenants) == rotatePage {
		report.Done, report.Next = false, tenants[len(tenants)-1]
	}
	logBarrier(r, "keys of tenants rotated", "level", string(level), "tenants", report.Tenants)

	return report, nil
}

// Rehearsal is the answer about a share that was rehearsed.
type Rehearsal struct {
	Fits bool `json:"fits"`
}

func (a BarrierAdmin) rehearse(r *http.Request) (any, error) {
	body, err := readBarrierRequest(r, "share")
	if err != nil {
		return nil, err
	}

	return Rehearsal{Fits: true}, a.Operator.Rehearse(r.Context(), body.Share)
}

func (a BarrierAdmin) rewrapStatus(r *http.Request) (any, error) {
	return a.Rewrap.Status(r.Context())
}

func (a BarrierAdmin) rewrapStart(r *http.Request) (any, error) {
	body, err := readBarrierRequest(r, "retire")
	if err != nil {
		return nil, err
	}
	logBarrier(r, "re-wrapping started", "retire", body.Retire)

	return a.Rewrap.Start(r.Context(), body.Retire)
}

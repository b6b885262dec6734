package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/server/jsonscan"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// BarrierAdmin is the administration of a barrier on the admin listener: rotation, re-wrapping, rekeying, recovery shares.
type BarrierAdmin struct {
	// Barrier and Operator are mandatory.
	Barrier  *barrier.Barrier
	Operator *unseal.Operator
	// Tenants lists tenants that have keys: up to limit, in order, after the given one. Nil if keys of tenants are not rotated here.
	Tenants func(ctx context.Context, after string, limit int) ([]string, error)
	// Rewrap re-wraps on demand; nil for none.
	Rewrap Rewrapping
	// Secrets says how strictly files with new unseal material are checked.
	Secrets config.Policy
	// Remote is the other installation that a rekeying to mode kms uses; nil for none.
	Remote unseal.Remote
}

// Rewrapping moves values under the newest keys. Errors for the caller have a code.
type Rewrapping interface {
	// Start begins a run, or joins the one under way; retire tells to remove content keys that nothing uses any more.
	Start(ctx context.Context, retire bool) (RewrapReport, error)
	Status(ctx context.Context) (RewrapReport, error)
}

// Routes are for Deps.AdminRoutes.
func (a BarrierAdmin) Routes() ([]AdminRoute, error) {
	if a.Barrier == nil || a.Operator == nil {
		return nil, errors.New("barrier administration: barrier and operator are mandatory")
	}
	get, post := http.MethodGet, http.MethodPost
	routes := []AdminRoute{
		{Method: get, Path: "/barrier", Handler: adminCall(a.report)},
		{Method: post, Path: "/barrier/rotate", Handler: adminCall(a.rotate)},
		{Method: post, Path: "/unseal/rehearse", Handler: adminCall(a.rehearse)},
		{Method: get, Path: "/barrier/rekey", Handler: adminCall(a.rekeyStatus)},
		{Method: post, Path: "/barrier/rekey/start", Handler: adminCall(a.rekeyStart)},
		{Method: post, Path: "/barrier/rekey/share", Handler: adminCall(a.rekeyShare)},
		{Method: post, Path: "/barrier/rekey/verify", Handler: adminCall(a.rekeyVerify)},
		{Method: post, Path: "/barrier/rekey/commit", Handler: adminCall(a.rekeyCommit)},
		{Method: post, Path: "/barrier/rekey/cancel", Handler: adminCall(a.rekeyCancel)},
		{Method: post, Path: "/barrier/recovery", Handler: adminCall(a.recoveryNew)},
		{Method: post, Path: "/barrier/recovery/verify", Handler: adminCall(a.recoveryVerify)},
	}
	if a.Rewrap != nil {
		routes = append(routes,
			AdminRoute{Method: get, Path: "/barrier/rewrap", Handler: adminCall(a.rewrapStatus)},
			AdminRoute{Method: post, Path: "/barrier/rewrap", Handler: adminCall(a.rewrapStart)})
	}

	return routes, nil
}

// BarrierRequest is the body of every request about the barrier. Each operation takes some of its members.
type BarrierRequest struct {
	// Level is root, intermediate or content; Tenant whose key rotates, and After, without Tenant, the tenant after which all follow.
	Level  string `json:"level,omitempty"`
	Tenant string `json:"tenant,omitempty"`
	After  string `json:"after,omitempty"`
	// Share is an unseal share that authorizes, proves, or is rehearsed.
	Share string `json:"share,omitempty"`
	// Mode, Shares and Threshold, Secret or JWK (references to files, file:///path) describe new unseal material.
	Mode      string `json:"mode,omitempty"`
	Shares    int    `json:"shares,omitempty"`
	Threshold int    `json:"threshold,omitempty"`
	Secret    string `json:"secret,omitempty"`
	JWK       string `json:"jwk,omitempty"`
	// Retire removes content keys that nothing uses any more.
	Retire bool `json:"retire,omitempty"`
}

// KeyVersion is one version of a key of the barrier.
type KeyVersion struct {
	Level     string  `json:"level"`
	Version   int64   `json:"version"`
	ID        string  `json:"id"`
	ParentID  string  `json:"parent_id"`
	CreatedAt Instant `json:"created_at"`
}

// BarrierReport is the answer about the whole barrier.
type BarrierReport struct {
	Sealed bool   `json:"sealed"`
	Mode   string `json:"mode"`
	// UnsealKeyID names the unseal key in force; "" before the first unsealing.
	UnsealKeyID string `json:"unseal_key_id,omitempty"`
	// Keys are the root keys, and those of the tenant that was asked about.
	Keys     []KeyVersion     `json:"keys"`
	Rekey    RekeyReport      `json:"rekey"`
	Recovery []RecoveryReport `json:"recovery"`
}

func (a BarrierAdmin) report(r *http.Request) (any, error) {
	status := a.Operator.Status()
	report := BarrierReport{Sealed: status.Sealed, Mode: string(status.Mode), Keys: []KeyVersion{}, Recovery: []RecoveryReport{}}
	var err error
	if report.UnsealKeyID, err = a.Barrier.UnsealKeyID(r.Context()); err != nil {
		return nil, err
	}
	levels := []struct {
		level  barrier.Level
		tenant string
	}{{barrier.LevelRoot, ""}}
	if tenant := r.URL.Query().Get("tenant"); tenant != "" {
		levels = append(levels, levels[0], levels[0])
		levels[1].level, levels[1].tenant = barrier.LevelIntermediate, tenant
		levels[2].level, levels[2].tenant = barrier.LevelContent, tenant
	}
	for _, l := range levels {
		keys, err := a.Barrier.Versions(r.Context(), l.level, l.tenant)
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			report.Keys = append(report.Keys, KeyVersion{string(l.level), key.Version, key.ID, key.ParentID, Instant(key.CreatedAt)})
		}
	}
	if report.Rekey, err = a.rekeyReport(a.Operator.RekeyStatus(r.Context())); err != nil {
		return nil, err
	}
	recovery, err := a.Operator.RecoveryKeys(r.Context())
	for _, key := range recovery {
		report.Recovery = append(report.Recovery, RecoveryReport{SetID: key.ID, Threshold: key.Threshold, Shares: key.Shares, Verified: !key.VerifiedAt.IsZero()})
	}

	return report, err
}

// adminCall serves an operation whose answer is JSON.
func adminCall(do func(r *http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := callOf(r)
		answer, err := do(r)
		if err != nil {
			c.server.fail(c, w, r, err)

			return
		}
		writeJSON(w, http.StatusOK, answer)
	})
}

// readBarrierRequest reads a body with these members at most.
func readBarrierRequest(r *http.Request, members ...string) (body BarrierRequest, err error) {
	content, err := readAtMost(r, maxShareBody)
	if err != nil {
		return body, err
	}
	if len(content) == 0 {
		content = []byte("{}")
	}
	kinds := map[string]jsonscan.Kinds{"shares": jsonscan.Integer, "threshold": jsonscan.Integer, "retire": jsonscan.Bool}
	shape := jsonscan.Shape{Kinds: jsonscan.Object, Closed: true}
	var list []jsonscan.Member
	for _, name := range members {
		kind, ok := kinds[name]
		if !ok {
			kind = jsonscan.String
		}
		list = append(list, jsonscan.Member{Name: name, Shape: &jsonscan.Shape{Kinds: kind}})
	}
	if err = shape.SetMembers(list); err == nil {
		err = jsonscan.Scan(content, &shape)
	}
	if err == nil && json.Unmarshal(content, &body) != nil {
		err = problem.New(problem.ValidationFailed, "a number is out of range")
	}

	return body, err
}

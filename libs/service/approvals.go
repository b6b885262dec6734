package service

import (
	"context"
	"errors"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/auth/directory"
	"github.com/cryptoutil/cryptoutil/libs/auth/quorum"
	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/database/audit"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// ApprovalsConfig is about what several people must agree to.
type ApprovalsConfig struct {
	// Lifetime is how long a request can be approved and used, 5 minutes to 30 days.
	Lifetime time.Duration `koanf:"lifetime"`
}

// Bounds of a request's life: people must have time to look at it, and it must not outlive what they knew.
const (
	minApprovalLifetime = 5 * time.Minute
	maxApprovalLifetime = 30 * 24 * time.Hour
)

// Validate implements config.Validator.
func (c ApprovalsConfig) Validate() []config.Problem {
	if c.Lifetime < minApprovalLifetime || c.Lifetime > maxApprovalLifetime {
		return []config.Problem{{Path: "lifetime", Message: "is out of range", Suggestion: "5m to 720h"}}
	}
	return nil
}

func (p *Platform) openApprovals(_ context.Context, cfg *Config) (err error) {
	p.Approvals, err = quorum.New(quorum.Config{
		DB: p.DB, Now: p.Now, Log: p.Log, Lifetime: cfg.Approvals.Lifetime, Administer: p.description.Scopes[0],
		Record: p.recordApproval, Owner: p.owner,
	})
	return err
}

// addApprovals adds the API by which approvals are asked for and given, where the domain has something that takes them.
func (i *Instance) addApprovals(d *server.Deps) error {
	p := i.platform
	if i.domain.Rules == nil {
		return nil
	}
	api, err := quorum.NewAPI(p.Approvals, i.domain.Rules, p.Cursors)
	if err != nil {
		return err
	}
	d.Platform = append(d.Platform, api)
	d.Approved = p.Approvals.Approved
	return nil
}

// recordApproval writes the life of requests for approval into the audit trail.
func (p *Platform) recordApproval(ctx context.Context, e quorum.Event) error {
	return p.record(ctx, audit.Event{
		Tenant: e.By.Tenant, Actor: actorOf(e.By), Action: e.Action, Object: audit.Object{Kind: "approval", ID: e.Request.ID},
		Fields: []audit.Field{
			audit.Text("operation", e.Request.Operation), audit.Text("resource_kind", e.Request.Kind), audit.Text("resource", e.Request.Resource),
			audit.Text("fingerprint", e.Request.Fingerprint), audit.Text("state", string(e.Request.State)),
		},
	})
}

// owner is the person for whom a caller acts, as the realm that knows it says.
func (p *Platform) owner(ctx context.Context, by *server.Principal) (string, error) {
	var realm auth.Realm
	switch {
	case by.Realm == directory.RealmName:
		realm = p.directory
	case p.file != nil && by.Realm == p.file.Name():
		realm = p.file
	default:
		return "", nil
	}
	account, err := realm.Account(ctx, by.Kind, by.Tenant, by.ID)
	if errors.Is(err, auth.ErrUnknown) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return account.Owner, nil
}

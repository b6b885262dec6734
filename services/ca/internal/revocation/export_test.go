package revocation

import (
	"context"
	"errors"
)

// PublishDue makes what is due of a tenant's CAs now. The publishing replica does so by itself.
func (p *Publisher) PublishDue(ctx context.Context, tenant string) error {
	ids, err := p.cfg.Issuers.IDs(ctx, tenant, "", pageOfCAs)
	var failures []error
	for _, id := range ids {
		failures = append(failures, p.authority(ctx, tenant, id, false))
	}
	return errors.Join(append(failures, err)...)
}

// ForgetStatus has the next question about a certificate read the database and sign.
func (r *Responder) ForgetStatus(tenant, serial string) { r.statuses.Forget(tenant, serial) }

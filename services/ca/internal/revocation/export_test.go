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

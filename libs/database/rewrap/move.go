package rewrap

import (
	"context"
	"fmt"
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
)

// keys moves the keys of the next tenants under their newest parents.
func (r *Rewrapper) keys(ctx context.Context, p *Progress) (more bool, err error) {
	tenants, err := r.config.Store.Tenants(ctx, p.Position, batch)
	if err != nil {
		return false, err
	}
	for _, tenant := range tenants {
		n, err := r.config.Barrier.RewrapKeys(ctx, tenant)
		if skip, err := p.failed(err); err != nil {
			return false, err
		} else if skip {
			r.config.Log.ErrorContext(ctx, "re-wrap keys of a tenant", "tenant", tenant, "error", p.Failure)
		}
		p.Position, p.Scanned, p.Rewrapped = tenant, p.Scanned+1, p.Rewrapped+int64(n)
	}
	return len(tenants) == batch, nil
}

// values moves the next values of a source under the newest content keys.
func (r *Rewrapper) values(ctx context.Context, source Source, p *Progress) (more bool, err error) {
	items, err := source.Next(ctx, p.Position, batch)
	if err != nil {
		return false, err
	}
	wrappers := map[string]*barrier.Wrapper{}
	p.purposes = p.purposes[:0]
	for _, item := range items {
		if !slices.Contains(p.purposes, item.Binding.Purpose) {
			p.purposes = append(p.purposes, item.Binding.Purpose)
		}
		moved, err := r.value(ctx, source, item, wrappers)
		if skip, err := p.failed(err); err != nil {
			return false, err
		} else if skip {
			r.config.Log.ErrorContext(ctx, "re-wrap a value", "table", p.Source, "position", item.Position, "error", p.Failure)
		}
		p.Position, p.Scanned = item.Position, p.Scanned+1
		if moved {
			p.Rewrapped++
		}
	}
	return len(items) > 0, nil
}

func (r *Rewrapper) value(ctx context.Context, source Source, item Item, wrappers map[string]*barrier.Wrapper) (moved bool, err error) {
	tenant := item.Binding.Tenant
	wrapper := wrappers[tenant]
	if wrapper == nil {
		if wrapper, err = r.config.Barrier.Tenant(ctx, tenant); err != nil {
			return false, err
		}
		wrappers[tenant] = wrapper
	}
	if r.config.Barrier.Current(tenant, item.JWE) {
		return false, nil
	}
	value, err := r.config.Barrier.Unwrap(ctx, item.Binding, item.JWE)
	if err != nil {
		return false, err
	}
	defer clear(value)
	wrapped, err := wrapper.Wrap(item.Binding, value)
	if err != nil {
		return false, err
	}
	return source.Replace(ctx, item, wrapped)
}

// retire removes keys that nothing uses any more. Content keys go only if every value is known to have left them.
func (r *Rewrapper) retire(ctx context.Context, p Progress) error {
	status, err := r.Status(ctx)
	if err != nil {
		return err
	}
	contents := p.Position == retireAll
	for _, other := range status.Sources {
		contents = contents && other.Failed == 0 && (other.Source == retireSource || !other.FinishedAt.IsZero())
	}
	if contents {
		unmet, err := r.unmet(ctx, p.Run)
		if err != nil {
			return err
		}
		if len(unmet) > 0 {
			contents = false
			p.note(fmt.Sprintf("content keys are kept: no value for %q was met; a source is missing here, or its tables are empty", unmet))
		}
	}
	// Following also ends successions, which hold on to the root keys that they are wrapped by.
	if err := r.config.Barrier.Follow(ctx); err != nil {
		return err
	}
	retired, err := r.config.Store.Retire(ctx, p.StartedAt.Add(-r.config.Grace), contents)
	if err != nil {
		return err
	}
	p.Rewrapped = retired.Roots + retired.Intermediates + retired.Contents
	p.FinishedAt = r.config.Now()
	r.config.Log.InfoContext(ctx, "re-wrapped", "run", p.Run, "retired_roots", retired.Roots, "retired_intermediates", retired.Intermediates, "retired_contents", retired.Contents)
	return r.save(ctx, p)
}

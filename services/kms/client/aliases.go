package client

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"

	"github.com/cryptoutil/cryptoutil/libs/apiclient"
)

// CreateAlias gives a key a further name.
func (k *KMS) CreateAlias(ctx context.Context, alias, key string) (*Alias, error) {
	once := apiclient.IdempotencyKey()
	return call[Alias](ctx, k, fmt.Sprintf("create alias %q", alias), func(ctx context.Context) (*http.Response, error) {
		return k.api.CreateAlias(ctx, &CreateAliasParams{IdempotencyKey: &once}, CreateAlias{Name: alias, Key: key})
	})
}

// GetAlias returns an alias.
func (k *KMS) GetAlias(ctx context.Context, alias string) (*Alias, error) {
	if err := checkAlias(alias); err != nil {
		return nil, err
	}
	return call[Alias](ctx, k, fmt.Sprintf("get alias %q", alias), func(ctx context.Context) (*http.Response, error) {
		return k.api.GetAlias(ctx, alias, nil)
	})
}

// MoveAlias makes an alias the name of another key: within a second, on every replica.
// As with [KMS.UpdateKey], what somebody else changes meanwhile is tried again as often
// as asked.
func (k *KMS) MoveAlias(ctx context.Context, alias, key string, again int) (*Alias, error) {
	if err := checkAlias(alias); err != nil {
		return nil, err
	}
	read := func(ctx context.Context) (*http.Response, error) { return k.api.GetAlias(ctx, alias, nil) }
	write := func(ctx context.Context, tag string, patch json.RawMessage) (*http.Response, error) {
		return k.api.UpdateAliasWithApplicationMergePatchPlusJSONBody(ctx, alias, &UpdateAliasParams{IfMatch: &tag}, patch)
	}
	return apiclient.Update(ctx, k.caller, fmt.Sprintf("move alias %q", alias), again, read, func(Alias) (Patch, error) { return Patch{"key": key}, nil }, write)
}

// ListAliases yields the aliases of a key, of all keys if it is "", in order of name.
// It ends after the first error.
func (k *KMS) ListAliases(ctx context.Context, key string) iter.Seq2[Alias, error] {
	params := ListAliasesParams{Limit: new(apiclient.PageSize), Key: apiclient.Given(key)}
	return apiclient.Pages(func(cursor *string) ([]Alias, *string, error) {
		params.Cursor = cursor
		page, err := call[AliasPage](ctx, k, "list aliases", func(ctx context.Context) (*http.Response, error) {
			return k.api.ListAliases(ctx, &params)
		})
		if err != nil {
			return nil, nil, err
		}
		return page.Items, page.NextCursor, nil
	})
}

// DeleteAlias takes a name away from its key, which stays. Where an answer was lost, the
// error may be a [*Problem] with the code not_found although it did so.
func (k *KMS) DeleteAlias(ctx context.Context, alias string) error {
	if err := checkAlias(alias); err != nil {
		return err
	}
	_, err := call[apiclient.Nothing](ctx, k, fmt.Sprintf("delete alias %q", alias), func(ctx context.Context) (*http.Response, error) {
		return k.api.DeleteAlias(ctx, alias)
	})
	return err
}

// checkAlias refuses what would name another path than an alias's.
func checkAlias(alias string) error {
	if apiclient.CheckRef(alias) != nil {
		return fmt.Errorf("%q is no alias", alias)
	}
	return nil
}

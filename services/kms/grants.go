package kms

import (
	"context"
	"errors"
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/auth/directory"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// grants are the platform's grants on single keys, as the choke point asks for them.
type grants struct{ access *auth.Access }

// Terms implements keyring.Grants.
func (g grants) Terms(ctx context.Context, _ keyring.Caller, scope string, key keyring.ElasticKey) ([]string, error) {
	caller, ok := server.PrincipalFrom(ctx)
	if !ok {
		return nil, nil
	}
	return g.access.Terms(ctx, caller, scope, objectKey, key.ID, key.Name)
}

// grantBook are the same grants as they are made and ended.
type grantBook struct{ platform *directory.ResourceGrants }

// Create implements keyring.GrantBook.
func (b grantBook) Create(ctx context.Context, key keyring.ElasticKey, g keyring.Grant) (keyring.Grant, error) {
	by, ok := server.PrincipalFrom(ctx)
	if !ok {
		return keyring.Grant{}, problem.New(problem.Unauthenticated, "the request carries no credential")
	}
	terms, err := g.Terms.Encode()
	if err != nil {
		return keyring.Grant{}, err
	}
	ask := directory.Grant{
		Grant:       auth.Grant{Resource: key.ID, Scopes: scopesOf(g.Operations), Terms: terms, ExpiresAt: g.ExpiresAt},
		SubjectKind: g.Grantee.Kind, SubjectID: g.Grantee.ID,
	}
	if g.Retiring != nil {
		ask.RetiringKind, ask.RetiringID = g.Retiring.Kind, g.Retiring.ID
	}
	made, err := b.platform.Create(ctx, by, ask)
	if err != nil {
		return keyring.Grant{}, err
	}
	return grantOf(made)
}

// List implements keyring.GrantBook.
func (b grantBook) List(ctx context.Context, key keyring.ElasticKey, after string, limit int) ([]keyring.Grant, error) {
	found, err := b.platform.List(ctx, key.Tenant, key.ID, after, limit)
	if err != nil {
		return nil, err
	}
	all := make([]keyring.Grant, len(found))
	for i, g := range found {
		if all[i], err = grantOf(g); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Get implements keyring.GrantBook.
func (b grantBook) Get(ctx context.Context, key keyring.ElasticKey, id string) (keyring.Grant, bool, error) {
	found, err := b.platform.Get(ctx, key.Tenant, key.ID, id)
	if err != nil {
		return keyring.Grant{}, false, absent(err)
	}
	by, ok := server.PrincipalFrom(ctx)
	g, err := grantOf(found)
	return g, ok && by.Tenant == key.Tenant && found.MayRetire(by), err
}

// Delete implements keyring.GrantBook.
func (b grantBook) Delete(ctx context.Context, key keyring.ElasticKey, id string) error {
	_, err := b.platform.Delete(ctx, key.Tenant, key.ID, id)
	return absent(err)
}

// Clear implements keyring.GrantBook.
func (b grantBook) Clear(ctx context.Context, key keyring.ElasticKey) error {
	return b.platform.Clear(ctx, key.Tenant, key.ID)
}

// absent turns the platform's "there is none" into the domain's.
func absent(err error) error {
	var coded problem.Coded
	if errors.As(err, &coded) && coded.ErrorCode() == problem.NotFound {
		return keyring.ErrNotFound
	}
	return err
}

// scopesOf are the scopes of operations.
func scopesOf(operations []keyring.Operation) []string {
	scopes := make([]string, len(operations))
	for i, op := range operations {
		scopes[i] = op.Scope()
	}
	slices.Sort(scopes)
	return slices.Compact(scopes)
}

// grantOf is a grant as the domain knows it. One that was made through the platform's own API may be of operations that manage.
func grantOf(g directory.Grant) (keyring.Grant, error) {
	terms, err := keyring.ParseTerms(g.Terms)
	if err != nil {
		return keyring.Grant{}, err
	}
	view := keyring.Grant{
		ID: g.ID, Grantee: keyring.Principal{Kind: g.SubjectKind, ID: g.SubjectID}, Terms: terms,
		Maker: keyring.Principal{Kind: g.MakerKind, ID: g.MakerID}, ExpiresAt: g.ExpiresAt, CreatedAt: g.CreatedAt,
	}
	if g.RetiringKind != "" {
		view.Retiring = &keyring.Principal{Kind: g.RetiringKind, ID: g.RetiringID}
	}
	for _, op := range keyring.Operations() {
		if slices.Contains(g.Scopes, op.Scope()) {
			view.Operations = append(view.Operations, op)
		}
	}
	return view, nil
}

package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/auth/credential"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/server"
)

// Client is a program.
type Client struct {
	ID string
	// Name is unique among the tenant's clients.
	Name, Description string
	Scopes            []string
	// Certificates are the names of client certificates that stand for it.
	Certificates []auth.CertificateName
	Disabled     bool
	ExpiresAt    time.Time // zero: never
	Version      int64
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// MaxCertificates bounds the certificates of a client.
const MaxCertificates = 16

// CreateClient adds a client. Unless it is to have none, its secret is returned, whose text exists nowhere else.
func (d *Directory) CreateClient(ctx context.Context, by *server.Principal, client Client, secretless bool) (Client, credential.Credential, error) {
	var none credential.Credential
	if err := d.mayGive(by, "/scopes", client.Scopes); err != nil {
		return Client{}, none, err
	}
	var err error
	if client.ID, err = newID(); err != nil {
		return Client{}, none, err
	}
	made, hash, err := d.newSecret(ctx, credential.ClientSecret, by.Tenant, client.ID)
	if err != nil {
		return Client{}, none, err
	}
	now := d.cfg.Now()
	client.Version, client.CreatedAt, client.UpdatedAt = 1, now, now
	err = d.change(ctx, by.Tenant, func(ctx context.Context) (Event, []note, error) {
		result, err := d.db.Exec(ctx, `
			INSERT INTO auth_clients (tenant_id, id, name, description, scopes, disabled, expires_at, version, created_at, updated_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8, $8) ON CONFLICT (tenant_id, name) DO NOTHING`,
			by.Tenant, client.ID, client.Name, client.Description, joinScopes(client.Scopes), client.Disabled, database.Micros(client.ExpiresAt), database.Micros(now))
		if err := one(result, err, func() error { return taken("name") }); err != nil {
			return Event{}, nil, fmt.Errorf("insert client: %w", err)
		}
		if !secretless {
			if err := d.insertSecret(ctx, by.Tenant, client.ID, hash, now); err != nil {
				return Event{}, nil, err
			}
		}
		notes, err := d.setCertificates(ctx, by.Tenant, client.ID, nil, client.Certificates)
		notes = append(notes, note{by.Tenant, kindClient, client.ID})
		return Event{Action: "client.create", By: by, ObjectKind: "client", ObjectID: client.ID, Scopes: client.Scopes}, notes, err
	})
	if err != nil {
		return Client{}, none, err
	}
	if secretless {
		made = none
	}
	return client, made, nil
}

// setCertificates makes these the certificates of a client.
func (d *Directory) setCertificates(ctx context.Context, tenant, id string, was, want []auth.CertificateName) ([]note, error) {
	if slices.Equal(was, want) {
		return nil, nil
	}
	if len(want) > MaxCertificates {
		return nil, invalid("/certificates", fmt.Sprintf("must hold at most %d items", MaxCertificates))
	}
	if _, err := d.db.Exec(ctx, "DELETE FROM auth_client_certificates WHERE tenant_id = $1 AND client_id = $2", tenant, id); err != nil {
		return nil, fmt.Errorf("drop certificates: %w", err)
	}
	var notes []note
	for _, name := range want {
		result, err := d.db.Exec(ctx, `
			INSERT INTO auth_client_certificates (tenant_id, client_id, kind, value) VALUES ($1, $2, $3, $4) ON CONFLICT (tenant_id, kind, value) DO NOTHING`,
			tenant, id, name.Kind, name.Value)
		if err := one(result, err, func() error { return taken("certificate, by this or another client,") }); err != nil {
			return nil, fmt.Errorf("insert certificate: %w", err)
		}
	}
	for _, name := range slices.Concat(was, want) {
		notes = append(notes, note{database.AllTenants, kindCertificate, name.Kind + " " + name.Value})
	}
	return notes, nil
}

// mappedClients are the clients of all tenants for which a certificate name stands. ctx is bound to all tenants.
func (d *Directory) mappedClients(ctx context.Context, name auth.CertificateName) ([]auth.ClientRef, error) {
	rows, err := d.db.Query(ctx, `
		SELECT tenant_id, client_id FROM auth_client_certificates WHERE kind = $1 AND value = $2 ORDER BY tenant_id`, name.Kind, name.Value)
	if err != nil {
		return nil, fmt.Errorf("find clients of a certificate: %w", err)
	}
	return database.Collect(rows, func(r database.Scanner) (auth.ClientRef, error) {
		var ref auth.ClientRef
		err := r.Scan(&ref.Tenant, &ref.ID)
		return ref, err
	})
}

const selectClients = `
	SELECT id, name, description, scopes, disabled, expires_at, version, created_at, updated_at FROM auth_clients WHERE tenant_id = $1`

func scanClient(r database.Scanner) (Client, error) {
	var c Client
	var scopes string
	var expires, created, updated int64
	err := r.Scan(&c.ID, &c.Name, &c.Description, &scopes, &c.Disabled, &expires, &c.Version, &created, &updated)
	c.Scopes, c.ExpiresAt = splitScopes(scopes), database.Time(expires)
	c.CreatedAt, c.UpdatedAt = database.Time(created), database.Time(updated)
	return c, err
}

// Client returns a client by its id or name; not_found.
func (d *Directory) Client(ctx context.Context, tenant, ref string) (Client, error) {
	ctx = database.WithTenant(ctx, tenant)
	query := selectClients + " AND name = $2"
	if isID(ref) {
		query = selectClients + " AND id = $2"
	}
	client, err := scanClient(d.db.QueryRow(ctx, query, tenant, ref))
	if err != nil {
		return Client{}, missing(fmt.Errorf("read client: %w", err))
	}
	client.Certificates, err = d.certificates(ctx, tenant, client.ID)
	return client, err
}

// Clients lists clients, without their certificates, in the order of their ids after the one given.
func (d *Directory) Clients(ctx context.Context, tenant, name, after string, limit int) ([]Client, error) {
	ctx = database.WithTenant(ctx, tenant)
	rows, err := d.db.Query(ctx, selectClients+" AND id > $2 AND ($3 = '' OR name = $3) ORDER BY id LIMIT $4", tenant, after, name, int64(limit))
	if err != nil {
		return nil, fmt.Errorf("list clients: %w", err)
	}
	clients, err := database.Collect(rows, scanClient)
	if err != nil {
		return nil, fmt.Errorf("list clients: %w", err)
	}
	return clients, nil
}

func (d *Directory) certificates(ctx context.Context, tenant, id string) ([]auth.CertificateName, error) {
	rows, err := d.db.Query(ctx, `
		SELECT kind, value FROM auth_client_certificates WHERE tenant_id = $1 AND client_id = $2 ORDER BY kind, value`, tenant, id)
	if err != nil {
		return nil, fmt.Errorf("read certificates: %w", err)
	}
	return database.Collect(rows, func(r database.Scanner) (auth.CertificateName, error) {
		var name auth.CertificateName
		err := r.Scan(&name.Kind, &name.Value)
		return name, err
	})
}

// UpdateClient changes a client whose version is the given one. The caller must have the scopes that it had and those that it gets.
func (d *Directory) UpdateClient(ctx context.Context, by *server.Principal, ref string, version int64, edit func(*Client) error) (Client, error) {
	var client Client
	err := d.change(ctx, by.Tenant, func(ctx context.Context) (Event, []note, error) {
		was, err := d.Client(ctx, by.Tenant, ref)
		if err == nil {
			err = d.mayControl(ctx, by, server.KindClient, was.ID)
		}
		if err != nil {
			return Event{}, nil, err
		}
		client = was
		if err := edit(&client); err != nil {
			return Event{}, nil, err
		}
		if err := d.mayGive(by, "/scopes", client.Scopes); err != nil {
			return Event{}, nil, err
		}
		client.Version, client.UpdatedAt = version+1, d.cfg.Now()
		result, err := d.db.Exec(ctx, `
			UPDATE auth_clients SET name = $4, description = $5, scopes = $6, disabled = $7, expires_at = $8, version = version + 1, updated_at = $9
			WHERE tenant_id = $1 AND id = $2 AND version = $3
				AND NOT EXISTS (SELECT 1 FROM auth_clients o WHERE o.tenant_id = $1 AND o.name = $4 AND o.id <> $2)`,
			by.Tenant, was.ID, version, client.Name, client.Description, joinScopes(client.Scopes), client.Disabled,
			database.Micros(client.ExpiresAt), database.Micros(client.UpdatedAt))
		if err := one(result, err, func() error { return staleOrTaken(was.Version, version) }); err != nil {
			return Event{}, nil, fmt.Errorf("update client: %w", conflicting(err))
		}
		notes, err := d.setCertificates(ctx, by.Tenant, was.ID, was.Certificates, client.Certificates)
		if err == nil && client.Disabled && !was.Disabled {
			err = d.end(ctx, by.Tenant, server.KindClient, was.ID)
		}
		notes = append(notes, note{by.Tenant, kindClient, was.ID})
		return Event{Action: "client.update", By: by, ObjectKind: "client", ObjectID: was.ID, Scopes: client.Scopes}, notes, err
	})
	return client, err
}

// staleOrTaken tells why an update by version and unique name has changed nothing.
func staleOrTaken(is, want int64) error {
	if is != want {
		return stale()
	}
	return taken("name")
}

// conflicting is what two that take one name at once hear.
func conflicting(err error) error {
	if database.IsUniqueViolation(err) {
		return errors.Join(taken("name"), err)
	}
	return err
}

// DeleteClient removes a client with its secrets, certificates, roles and grants.
func (d *Directory) DeleteClient(ctx context.Context, by *server.Principal, ref string) error {
	return d.change(ctx, by.Tenant, func(ctx context.Context) (Event, []note, error) {
		client, err := d.Client(ctx, by.Tenant, ref)
		if err == nil {
			err = d.mayControl(ctx, by, server.KindClient, client.ID)
		}
		if err == nil {
			err = d.drop(ctx, by.Tenant, server.KindClient, client.ID)
		}
		if err != nil {
			return Event{}, nil, err
		}
		notes, err := d.setCertificates(ctx, by.Tenant, client.ID, client.Certificates, nil)
		if err != nil {
			return Event{}, nil, err
		}
		result, err := d.db.Exec(ctx, "DELETE FROM auth_clients WHERE tenant_id = $1 AND id = $2", by.Tenant, client.ID)
		if err := one(result, err, notFound); err != nil {
			return Event{}, nil, fmt.Errorf("delete client: %w", err)
		}
		notes = append(notes, note{by.Tenant, kindClient, client.ID}, note{by.Tenant, kindGrants, server.KindClient + " " + client.ID})
		return Event{Action: "client.delete", By: by, ObjectKind: "client", ObjectID: client.ID}, notes, nil
	})
}

func (d *Directory) loadClient(ctx context.Context, tenant, id string) (*auth.Account, error) {
	client, err := scanClient(d.db.QueryRow(ctx, selectClients+" AND id = $2", tenant, id))
	if err != nil {
		return nil, err
	}
	secrets, err := d.secrets(ctx, tenant, id)
	return &auth.Account{
		Name: client.Name, Scopes: client.Scopes, Secrets: secrets, Disabled: client.Disabled, ExpiresAt: client.ExpiresAt,
	}, err
}

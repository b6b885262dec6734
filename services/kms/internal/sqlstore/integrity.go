package sqlstore

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/cryptoutil/cryptoutil/libs/database"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// Secrets derives keys that a database does not hold: barrier.Barrier is one. It fails while the barrier is sealed.
type Secrets interface {
	// DeriveKey derives n bytes for a label: the same on every replica, for ever.
	DeriveKey(label string, n int) ([]byte, error)
}

const (
	// sealLabel is the label of the key that rows are sealed under. It changes with what a seal is over, and never otherwise.
	sealLabel   = "kms/row-seal/v1"
	sealKeySize = 32
)

// seal is the MAC (HMAC-SHA-256, RFC 2104) of a row's kind and of what in it decides about keys, each with its length before it. Whoever can
// only write to the database cannot make one. It is not over what counts, nor over dates: who can write those can delete the row as well.
func (s *Store) seal(kind string, parts ...string) (string, error) {
	key, err := s.secrets.DeriveKey(sealLabel, sealKeySize)
	if err != nil {
		return "", fmt.Errorf("seal of a row: %w", err)
	}
	defer clear(key)
	mac := hmac.New(sha256.New, key)
	text := make([]byte, 0, 1<<10)
	for _, part := range append([]string{kind}, parts...) {
		text = append(binary.BigEndian.AppendUint64(text, uint64(len(part))), part...)
	}
	mac.Write(text)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), nil
}

// intact compares the seal that a row should have with the one it has.
func (s *Store) intact(want, has string, broken keyring.IntegrityError) error {
	if hmac.Equal([]byte(want), []byte(has)) {
		return nil
	}
	if s.alarm != nil {
		s.alarm(broken)
	}
	return &broken
}

// sealElastic is the seal of a key with its tags and its policy as they are stored.
func (s *Store) sealElastic(k keyring.ElasticKey, tags, policy string) (string, error) {
	return s.seal("elastic-key", k.Tenant, k.ID, k.Name, k.Description, tags, k.Algorithm, strconv.Itoa(k.KeySize), k.Curve, string(k.Use),
		string(k.Status), string(k.Origin), strconv.FormatBool(k.Exportable), strconv.FormatBool(k.Published),
		strconv.FormatBool(k.VersioningAllowed), strconv.FormatBool(k.ImportAllowed), number(k.PrimaryVersion), number(k.VersionCount),
		number(k.MinDecryptVersion), number(k.MinEncryptVersion), policy, number(k.Rotation.Every.Microseconds()), number(k.Rotation.Uses),
		number(k.Rotation.Bytes), number(k.Rotation.NotifyBefore.Microseconds()), number(database.Micros(k.CreatedAt)))
}

// sealMaterial is the seal of a version. Whether it has its material is part of it; what that is the barrier authenticates.
func (s *Store) sealMaterial(m keyring.MaterialKey) (string, error) {
	return s.seal("material-key", m.Tenant, m.ElasticKeyID, number(m.Version), m.ID, string(m.Status), string(m.Origin),
		strconv.FormatBool(m.Exportable), strconv.FormatBool(m.WrappedKey != ""), m.Commitment, strconv.FormatBool(m.WasCompromised),
		number(database.Micros(m.CreatedAt)))
}

// sealName is the seal of what a name stands for.
func (s *Store) sealName(tenant, name, elasticID string, alias bool) (string, error) {
	return s.seal("key-name", tenant, name, elasticID, strconv.FormatBool(alias))
}

// elastic is the key that was read, if its row is as the service left it.
func (s *Store) elastic(t *elasticTarget) (keyring.ElasticKey, error) {
	key, err := t.elastic()
	if err != nil {
		return keyring.ElasticKey{}, err
	}
	want, err := s.sealElastic(key, t.tags, t.policy)
	if err != nil {
		return keyring.ElasticKey{}, err
	}
	return key, s.intact(want, t.seal, keyring.IntegrityError{Tenant: key.Tenant, ElasticKeyID: key.ID})
}

// material is the version that was read, if its row is as the service left it.
func (s *Store) material(t *materialTarget) (keyring.MaterialKey, error) {
	version := t.material()
	want, err := s.sealMaterial(version)
	if err != nil {
		return keyring.MaterialKey{}, err
	}
	return version, s.intact(want, t.seal, keyring.IntegrityError{Tenant: version.Tenant, ElasticKeyID: version.ElasticKeyID, Version: version.Version})
}

// nameTarget receives the columns of a name.
type nameTarget struct {
	tenant, name, elasticID, seal string
	alias                         bool
}

// nameColumns are those of a name, in the order of nameTarget.columns.
const nameColumns = `n.tenant_id, n.name, n.elastic_key_id, n.alias, n.seal`

func (t *nameTarget) columns() []any {
	return []any{&t.tenant, &t.name, &t.elasticID, &t.alias, &t.seal}
}

// named checks the name that a key was found by.
func (s *Store) named(t *nameTarget) error {
	want, err := s.sealName(t.tenant, t.name, t.elasticID, t.alias)
	if err != nil {
		return err
	}
	return s.intact(want, t.seal, keyring.IntegrityError{Tenant: t.tenant, ElasticKeyID: t.elasticID, Name: t.name})
}

// holdElastic locks a key's row for the transaction and reads it, so that nothing that was not intact is sealed anew.
func (s *Store) holdElastic(ctx context.Context, tenant, id string) (keyring.ElasticKey, error) {
	return s.scanElastic(s.db.QueryRow(ctx, `
		UPDATE elastic_keys AS e SET revision = revision WHERE tenant_id = $1 AND id = $2 RETURNING `+elasticReturned, tenant, id))
}

// changeElastic changes a key's row by a statement that returns elasticReturned, and seals it as it is then.
func (s *Store) changeElastic(ctx context.Context, tenant, id, statement string, args ...any) (keyring.ElasticKey, error) {
	if _, err := s.holdElastic(ctx, tenant, id); err != nil {
		return keyring.ElasticKey{}, err
	}
	var target elasticTarget
	if err := s.db.QueryRow(ctx, statement, args...).Scan(target.columns()...); err != nil {
		return keyring.ElasticKey{}, err
	}
	return s.keepElastic(ctx, &target)
}

// keepElastic seals a key's row, which this transaction has checked and changed.
func (s *Store) keepElastic(ctx context.Context, target *elasticTarget) (keyring.ElasticKey, error) {
	key, err := target.elastic()
	if err != nil {
		return keyring.ElasticKey{}, err
	}
	seal, err := s.sealElastic(key, target.tags, target.policy)
	if err != nil {
		return keyring.ElasticKey{}, err
	}
	_, err = s.db.Exec(ctx, `UPDATE elastic_keys SET seal = $3 WHERE tenant_id = $1 AND id = $2`, key.Tenant, key.ID, seal)
	return key, err
}

// changeMaterial changes a version's row by a statement that returns materialReturned, and seals it as it is then.
func (s *Store) changeMaterial(ctx context.Context, of keyring.MaterialKey, statement string, args ...any) (keyring.MaterialKey, error) {
	_, err := s.scanMaterial(s.db.QueryRow(ctx, `
		UPDATE material_keys AS m SET version = version WHERE tenant_id = $1 AND elastic_key_id = $2 AND version = $3 RETURNING `+materialReturned,
		of.Tenant, of.ElasticKeyID, of.Version))
	if err != nil {
		return keyring.MaterialKey{}, err
	}
	var target materialTarget
	if err := s.db.QueryRow(ctx, statement, args...).Scan(target.columns()...); err != nil {
		return keyring.MaterialKey{}, err
	}
	changed := target.material()
	return changed, s.keepMaterial(ctx, changed)
}

// keepMaterial seals a version's row, which this transaction has checked and changed.
func (s *Store) keepMaterial(ctx context.Context, version keyring.MaterialKey) error {
	seal, err := s.sealMaterial(version)
	if err != nil {
		return err
	}
	_, err = s.db.Exec(ctx, `UPDATE material_keys SET seal = $4 WHERE tenant_id = $1 AND elastic_key_id = $2 AND version = $3`,
		version.Tenant, version.ElasticKeyID, version.Version, seal)
	return err
}

// Reseal vouches for the rows of a key and its versions as they are now, whatever they are. It is for a key that is deleted, of which nothing is
// left that they decide about; whatever else changes a row checks it first.
func (s *Store) Reseal(ctx context.Context, tenant, id string) (keyring.ElasticKey, error) {
	rows, err := s.db.Query(ctx, `SELECT `+materialColumns+` FROM material_keys m WHERE m.tenant_id = $1 AND m.elastic_key_id = $2`, tenant, id)
	if err != nil {
		return keyring.ElasticKey{}, fmt.Errorf("select buried versions: %w", err)
	}
	versions, err := database.Collect(rows, func(r database.Scanner) (keyring.MaterialKey, error) {
		var target materialTarget
		err := r.Scan(target.columns()...)
		return target.material(), err
	})
	if err != nil {
		return keyring.ElasticKey{}, err
	}
	for _, version := range versions {
		if err := s.keepMaterial(ctx, version); err != nil {
			return keyring.ElasticKey{}, err
		}
	}
	var target elasticTarget
	err = s.db.QueryRow(ctx, `SELECT `+elasticColumns+` FROM elastic_keys e WHERE e.tenant_id = $1 AND e.id = $2`, tenant, id).Scan(target.columns()...)
	if err != nil {
		return keyring.ElasticKey{}, err
	}
	return s.keepElastic(ctx, &target)
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

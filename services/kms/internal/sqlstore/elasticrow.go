package sqlstore

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/database"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// elasticTarget receives the columns of an elastic key.
type elasticTarget struct {
	key                                      keyring.ElasticKey
	size                                     int64
	use, status, origin, tags, policy        string
	every, notify, next, del, created, saved int64
	refused                                  int64 // when last
	seal                                     string
}

func (t *elasticTarget) columns() []any {
	k := &t.key
	return []any{
		&k.Tenant, &k.ID, &k.Name, &k.Description, &t.tags, &k.Algorithm, &t.size, &k.Curve, &t.use, &t.status, &t.origin, &k.Exportable,
		&k.Published, &k.VersioningAllowed, &k.ImportAllowed, &k.PrimaryVersion, &k.VersionCount, &k.MinDecryptVersion, &k.MinEncryptVersion, &t.policy,
		&t.every, &k.Rotation.Uses, &k.Rotation.Bytes, &t.notify, &t.next, &t.del, &k.Refused.Count, &t.refused, &t.created, &t.saved, &k.Revision, &t.seal,
	}
}

func (t *elasticTarget) elastic() (keyring.ElasticKey, error) {
	k := &t.key
	k.KeySize = int(t.size)
	k.Use = alg.Use(t.use)
	k.Status, k.Origin = keyring.ElasticStatus(t.status), keyring.Origin(t.origin)
	k.Rotation.Every, k.Rotation.NotifyBefore = duration(t.every), duration(t.notify)
	k.NextRotationAt, k.DeleteAt = database.Time(t.next), database.Time(t.del)
	k.Refused.LastUsedAt = database.Time(t.refused)
	k.CreatedAt, k.UpdatedAt = database.Time(t.created), database.Time(t.saved)
	if err := json.Unmarshal([]byte(t.tags), &k.Tags); err != nil {
		return keyring.ElasticKey{}, fmt.Errorf("read tags of key %s: %w", k.ID, err)
	}
	if err := json.Unmarshal([]byte(t.policy), &k.Policy); err != nil {
		return keyring.ElasticKey{}, fmt.Errorf("read policy of key %s: %w", k.ID, err)
	}
	return *k, nil
}

func (s *Store) scanElastic(r database.Scanner) (keyring.ElasticKey, error) {
	var target elasticTarget
	if err := r.Scan(target.columns()...); err != nil {
		return keyring.ElasticKey{}, fmt.Errorf("read elastic key: %w", err)
	}
	return s.elastic(&target)
}

// encodeElastic is what is stored of a key as JSON.
func encodeElastic(key keyring.ElasticKey) (tags, policy string, err error) {
	encodedTags, err := json.Marshal(key.Tags)
	if err != nil {
		return "", "", fmt.Errorf("encode tags: %w", err)
	}
	encodedPolicy, err := json.Marshal(key.Policy)
	if err != nil {
		return "", "", fmt.Errorf("encode policy: %w", err)
	}
	return string(encodedTags), string(encodedPolicy), nil
}

func duration(us int64) time.Duration { return time.Duration(us) * time.Microsecond }

// maxFrom is how many states a transition may begin in, for a statement's constant text.
const maxFrom = 5

// states are those that a transition begins in; "" stands for none.
func states[S ~string](t keyring.Transition[S]) (from [maxFrom]string) {
	if len(t.From) > maxFrom {
		panic("sqlstore: a transition begins in more states than a statement has room for")
	}
	for i, s := range t.From {
		from[i] = string(s)
	}
	return from
}

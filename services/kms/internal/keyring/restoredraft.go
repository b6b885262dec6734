package keyring

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// restoreDraft is a record that was found good, as it is to be stored.
type restoreDraft struct {
	key      ElasticKey
	versions []MaterialKey
	aliases  []Alias
	digest   string
}

// names are those that the key is called by: none once it is deleted.
func (d *restoreDraft) names() (names []string) {
	if d.key.Status == ElasticDeleted {
		return nil
	}
	names = append(names, d.key.Name)
	for _, alias := range d.aliases {
		names = append(names, alias.Name)
	}
	return names
}

// draft holds a record to everything that a key must be, opens every private key in it and seals it for its row.
func (r *restoring) draft(record keyRecord) (d restoreDraft, err error) {
	if d.digest, err = record.digest(); err != nil {
		return restoreDraft{}, err
	}
	d.key = record.elastic(r.tenant)
	spec, err := d.checkKey(record)
	if err != nil {
		return restoreDraft{}, err
	}
	err = r.sealAll(&d, spec, record)
	r.postpone(&d)
	return d, err
}

// postpone leaves who restores the shortest wait to keep what was to end while the backup lay somewhere.
func (r *restoring) postpone(d *restoreDraft) {
	if d.key.Status == ElasticPendingDelete && d.key.DeleteAt.Before(r.least) {
		d.key.DeleteAt = r.least
	}
	for i := range d.versions {
		if v := &d.versions[i]; v.Status == VersionDestroyScheduled && v.DestroyAt.Before(r.least) {
			v.DestroyAt = r.least
		}
	}
}

// bad is the refusal of one record.
func bad(record keyRecord, why string) error {
	return errBackup(fmt.Sprintf("the key %q in it %s", record.ID, why))
}

// checkKey holds what a record says of the key and its aliases to what can be.
func (d *restoreDraft) checkKey(record keyRecord) (alg.Spec, error) {
	spec, err := d.key.Spec()
	if err != nil || spec.Algorithm != d.key.Algorithm || spec.Use != d.key.Use || rsaBits(spec) != d.key.KeySize || spec.Curve != d.key.Curve {
		return alg.Spec{}, bad(record, "is of no algorithm that is offered")
	}
	deleted := d.key.Status == ElasticDeleted
	switch {
	case !isUUID(d.key.ID) || d.key.ID != strings.ToLower(d.key.ID):
		return alg.Spec{}, bad(record, "has no id")
	case !knownElastic(d.key.Status):
		return alg.Spec{}, bad(record, "is in no state")
	case deleted && d.key.Name != d.key.ID || !deleted && checkName(d.key.Name) != nil:
		return alg.Spec{}, bad(record, "has no name")
	case d.key.check() != nil:
		return alg.Spec{}, bad(record, "is not as a key can be")
	case d.key.Origin != OriginGenerated && d.key.Origin != OriginImported:
		return alg.Spec{}, bad(record, "is of an unknown origin")
	}
	if err := d.checkCount(record); err != nil {
		return alg.Spec{}, err
	}
	for _, alias := range record.Aliases {
		if deleted || checkName(alias.Name) != nil {
			return alg.Spec{}, bad(record, "has an alias that is none")
		}
		d.aliases = append(d.aliases, Alias{Tenant: d.key.Tenant, Name: alias.Name, ElasticKeyID: d.key.ID, CreatedAt: alias.CreatedAt, UpdatedAt: alias.UpdatedAt})
	}
	return spec, nil
}

// checkCount holds what the key counts to what is there: no version ever goes, and one of them is primary.
func (d *restoreDraft) checkCount(record keyRecord) error {
	count, primary := d.key.VersionCount, d.key.PrimaryVersion
	switch {
	case int64(len(record.Versions)) != count:
		return bad(record, "has other versions than it counts")
	case primary < 0 || primary > count || (primary == 0) != (count == 0):
		return bad(record, "has no primary version")
	}
	return nil
}

// sealAll checks the versions and seals their material.
func (r *restoring) sealAll(d *restoreDraft, spec alg.Spec, record keyRecord) error {
	for i, one := range record.Versions { // whose numbers go from 1 to their count
		version := one.material(r.tenant, d.key.ID)
		if version.Version != int64(i)+1 || !isUUID(version.ID) || !knownVersion(version.Status) || !knownOrigin(version.Origin) {
			return bad(record, "has versions that are none")
		}
		if err := r.seal(spec, d.key, &version, one.JWK); err != nil {
			return bad(record, err.Error())
		}
		if d.key.Status == ElasticDeleted && version.Status != VersionDestroyed {
			return bad(record, "is deleted and has versions that are not")
		}
		d.versions = append(d.versions, version)
	}
	return nil
}

// seal opens a version's material and wraps it for its row. A version is never more usable than its state: what is destroyed has no material.
func (r *restoring) seal(spec alg.Spec, key ElasticKey, version *MaterialKey, text []byte) error {
	if len(text) == 0 {
		switch version.Status {
		case VersionDestroyed, VersionPendingImport, VersionDestroyScheduled:
		default:
			return fmt.Errorf("has a version that is %s and has no material", version.Status)
		}
		if version.Status == VersionPendingImport && version.Origin != OriginGenerated {
			// Nobody could tell whether it gets back the material that it had: only this instance's predecessor knew.
			version.Status = VersionDestroyed
		}
		return nil
	}
	if version.Status == VersionDestroyed || version.Status == VersionPendingImport {
		return fmt.Errorf("has a version that is %s and has material", version.Status)
	}
	material, err := jwk.Parse(text)
	if err != nil || !fits(spec, material) || material.IsPrivate() == (version.Origin == OriginPublic) {
		return errors.New("has a version with other material than its algorithm's")
	}
	defer material.Zero()
	if version.Origin != OriginGenerated {
		if version.Commitment, err = r.ring.commitment(*version, material); err != nil {
			return errors.New("has a version of an unknown origin")
		}
	}
	if version.WrappedKey, err = wrap(r.wrapper, key, *version, material); err != nil {
		return errors.New("has a version that cannot be sealed")
	}
	return nil
}

// fits tells whether material is a key of the algorithm.
func fits(spec alg.Spec, material *jwk.Key) bool {
	return material.Type() == spec.KeyType && (spec.Curve == "" || material.Curve() == spec.Curve) &&
		(spec.KeyType != alg.KeyTypeRSA && spec.KeyType != alg.KeyTypeOctet || spec.KeySize == 0 || material.Size() == spec.KeySize) &&
		(material.Algorithm == "" || material.Algorithm == spec.KeyAlgorithm())
}

func knownOrigin(origin Origin) bool {
	return origin == OriginGenerated || origin == OriginImported || origin == OriginPublic
}

func knownElastic(status ElasticStatus) bool {
	for _, t := range ElasticTransitions() {
		if t.To == status || t.Allows(status) {
			return true
		}
	}
	return false
}

func knownVersion(status VersionStatus) bool {
	for _, t := range VersionTransitions() {
		if t.To == status || t.Allows(status) {
			return true
		}
	}
	return false
}

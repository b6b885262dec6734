package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
)

// hashSize is what is kept of a keyed hash of personal data: nobody can guess a preimage without the key, and 128 bits do not collide.
const hashSize = 16

// What a MAC is over.
const (
	labelEvent = "cryptoutil audit event v1"
	labelLink  = "cryptoutil audit link v1"
	labelChain = "cryptoutil audit chain v1"
	labelName  = "cryptoutil audit name v1"
	labelAddr  = "cryptoutil audit address v1"
)

// sum is HMAC-SHA-256 over the label and parts, each with its length.
func (k *openKeys) sum(label string, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, k.mac)
	var length [8]byte
	write := func(part []byte) {
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		_, _ = h.Write(length[:]) // a hash never fails
		_, _ = h.Write(part)
	}
	write([]byte(label))
	for _, part := range parts {
		write(part)
	}
	return h.Sum(nil)
}

// conceal is the keyed hash of personal data: the same for the same tenant, so that its auditors can tell that two events are of one
// address, and another one in another tenant.
func (k *openKeys) conceal(label, tenant, value string) string {
	return base64.RawURLEncoding.EncodeToString(k.sum(label, []byte(tenant), []byte(value))[:hashSize])
}

// concealAll replaces personal data by their hashes.
func (k *openKeys) concealAll(r *record) {
	if r.Address != "" {
		r.AddrHash, r.Address = k.conceal(labelAddr, r.Tenant, r.Address), ""
	}
	if r.Actor != nil && r.Actor.Name != "" {
		r.Actor.NameHash, r.Actor.Name = k.conceal(labelName, r.Tenant, r.Actor.Name), ""
	}
}

// finish makes the row that is stored, with its MAC.
func (k *openKeys) finish(r *record) (row pendingRow, err error) {
	k.concealAll(r)
	body, err := encode(r)
	return pendingRow{tenant: r.Tenant, id: r.ID, body: body, mac: k.sum(labelEvent, body)}, err
}

// pendingRow is a row of audit_pending.
type pendingRow struct {
	tenant, id string
	body, mac  []byte
}

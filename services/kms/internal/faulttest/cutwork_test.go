package faulttest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// persistent is a service as keyringtest plays on it, through a client that repeats what has no answer. Changes that take no Idempotency-Key are
// looked at after an attempt that may have made them.
type persistent struct {
	stubborn

	prefix string // of names, so that many can play in one tenant
}

func (p persistent) code(got kmstest.Answer) string {
	if got.Status/100 == 2 {
		return ""
	}
	return got.Member(p.t, "code")
}

func (p persistent) post(path string, body any) (kmstest.Answer, string) {
	got, _ := p.do(http.MethodPost, path, body)
	return got, p.code(got)
}

func (p persistent) Create(name string) string {
	_, code := p.post("elastic-keys", map[string]any{"name": p.prefix + name, "algorithm": "A256GCM/A256KW"})
	return code
}

func (p persistent) Key(ref, action string) string {
	_, code := p.post("elastic-keys/"+p.prefix+ref+"/"+action, nil)
	return code
}

func (p persistent) Version(ref string, version int, action string) string {
	_, code := p.post(fmt.Sprintf("elastic-keys/%s%s/material-keys/%d/%s", p.prefix, ref, version, action), nil)
	return code
}

func (p persistent) Minima(ref string, decrypt, encrypt int) string {
	path := "elastic-keys/" + p.prefix + ref
	tag := p.done(http.MethodGet, path, nil).Header.Get("ETag")
	wanted := map[string]any{"min_decrypt_version": decrypt, "min_encrypt_version": encrypt}
	got, unsure := p.do(http.MethodPatch, path, wanted, "If-Match", tag)
	if unsure && got.Status == http.StatusPreconditionFailed {
		found := p.done(http.MethodGet, path, nil).Object(p.t)
		if found["min_decrypt_version"] == float64(decrypt) && found["min_encrypt_version"] == float64(encrypt) {
			return ""
		}
	}
	return p.code(got)
}

func (p persistent) Alias(name, ref string) string {
	_, code := p.post("aliases", map[string]any{"name": p.prefix + name, "key": p.prefix + ref})
	return code
}

func (p persistent) MoveAlias(name, ref string) string {
	path := "aliases/" + p.prefix + name
	found, _ := p.do(http.MethodGet, path, nil)
	if found.Status != http.StatusOK {
		return p.code(found)
	}
	got, unsure := p.do(http.MethodPatch, path, map[string]any{"key": p.prefix + ref}, "If-Match", found.Header.Get("ETag"))
	if unsure && got.Status == http.StatusPreconditionFailed {
		now := p.done(http.MethodGet, path, nil)
		key := p.done(http.MethodGet, "elastic-keys/"+p.prefix+ref, nil)
		if now.Member(p.t, "elastic_key_id") == key.Member(p.t, "id") {
			return ""
		}
	}
	return p.code(got)
}

func (p persistent) DeleteAlias(name string) string {
	path := "aliases/" + p.prefix + name
	before, _ := p.do(http.MethodGet, path, nil)
	got, unsure := p.do(http.MethodDelete, path, nil)
	if unsure && before.Status == http.StatusOK && got.Status == http.StatusNotFound {
		return ""
	}
	return p.code(got)
}

func (p persistent) Encrypt(ref string) (ciphertext, code string) {
	p.settled()
	got, code := p.post("elastic-keys/"+p.prefix+ref+"/encrypt", map[string]any{"plaintext": "aGVsbG8"})
	return got.Member(p.t, "ciphertext"), code
}

func (p persistent) Decrypt(ref, ciphertext string) string {
	p.settled()
	_, code := p.post("elastic-keys/"+p.prefix+ref+"/decrypt", map[string]any{"ciphertext": ciphertext})
	return code
}

func (p persistent) Look(ref string) (status string, primary int, versions []string) {
	var key struct {
		Status  string `json:"status"`
		Primary int    `json:"primary_version"`
	}
	p.read("elastic-keys/"+p.prefix+ref, &key)
	var list struct {
		Items []struct {
			Version int    `json:"version"`
			Status  string `json:"status"`
			Primary bool   `json:"primary"`
		} `json:"items"`
	}
	p.read("elastic-keys/"+p.prefix+ref+"/material-keys?limit=1000", &list)
	versions = make([]string, len(list.Items))
	for _, version := range list.Items {
		if version.Primary != (version.Version == key.Primary) || versions[version.Version-1] != "" {
			p.t.Errorf("%s: version %d is primary: %t; the key says %d; another has its number: %t", ref, version.Version, version.Primary, key.Primary, versions[version.Version-1] != "")
		}
		versions[version.Version-1] = version.Status
	}
	return key.Status, key.Primary, versions
}

func (c stubborn) read(path string, into any) {
	c.t.Helper()
	if err := json.Unmarshal(c.done(http.MethodGet, path, nil).Body, into); err != nil {
		c.t.Fatalf("%s: %v", path, err)
	}
}

// maintained waits for what the maintenance brings about. A turn of it that was cut off holds its lease for seconds; here it is ended by hand.
func (c stubborn) maintained(what string, so func() bool) {
	c.t.Helper()
	looks := 0
	c.until(what, func() bool {
		if looks++; looks%150 == 0 { // more often would take it from a turn that is slow
			c.sawn.directly(c.t, "UPDATE leases SET expires_at = 0")
		}
		return so()
	})
}

// until waits for what happens by itself.
func (c stubborn) until(what string, so func() bool) {
	c.t.Helper()
	for began := time.Now(); !so(); {
		if time.Since(began) > 3*time.Minute {
			c.t.Fatalf("never: %s", what)
		}
		time.Sleep(20 * time.Millisecond) //nolint:forbidigo // nobody tells
	}
}

package lifetest_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyringtest"
	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// driven is a service, as its administrator sees it, as keyringtest plays on it.
type driven struct {
	t *testing.T
	s *kmstest.Service
}

// try makes a request and returns its code.
func (d driven) try(method, path string, body any, header ...string) (kmstest.Answer, string) {
	got := d.s.Call(d.t, "", method, path, body, header...)
	if got.Status/100 == 2 {
		return got, ""
	}
	return got, got.Member(d.t, "code")
}

func (d driven) code(method, path string, body any, header ...string) string {
	_, code := d.try(method, path, body, header...)
	return code
}

func (d driven) Create(name string) string {
	return d.code(http.MethodPost, "elastic-keys", map[string]any{"name": name, "algorithm": "A256GCM/A256KW"})
}

func (d driven) Key(ref, action string) string {
	return d.code(http.MethodPost, "elastic-keys/"+ref+"/"+action, nil)
}

func (d driven) Version(ref string, version int, action string) string {
	return d.code(http.MethodPost, fmt.Sprintf("elastic-keys/%s/material-keys/%d/%s", ref, version, action), nil)
}

func (d driven) Minima(ref string, decrypt, encrypt int) string {
	tag := d.s.Call(d.t, "", http.MethodGet, "elastic-keys/"+ref, nil).Header.Get("ETag")
	return d.code(http.MethodPatch, "elastic-keys/"+ref, map[string]any{"min_decrypt_version": decrypt, "min_encrypt_version": encrypt}, "If-Match", tag)
}

func (d driven) Alias(name, ref string) string {
	return d.code(http.MethodPost, "aliases", map[string]any{"name": name, "key": ref})
}

func (d driven) MoveAlias(name, ref string) string {
	got := d.s.Call(d.t, "", http.MethodGet, "aliases/"+name, nil)
	if got.Status != http.StatusOK {
		return got.Member(d.t, "code")
	}
	return d.code(http.MethodPatch, "aliases/"+name, map[string]any{"key": ref}, "If-Match", got.Header.Get("ETag"))
}

func (d driven) DeleteAlias(name string) string {
	return d.code(http.MethodDelete, "aliases/"+name, nil)
}

func (d driven) Encrypt(ref string) (ciphertext, code string) {
	got, code := d.try(http.MethodPost, "elastic-keys/"+ref+"/encrypt", map[string]any{"plaintext": "aGVsbG8"})
	return got.Member(d.t, "ciphertext"), code
}

func (d driven) Decrypt(ref, ciphertext string) string {
	return d.code(http.MethodPost, "elastic-keys/"+ref+"/decrypt", map[string]any{"ciphertext": ciphertext})
}

func (d driven) Look(ref string) (status string, primary int, versions []string) {
	key := d.s.Call(d.t, "", http.MethodGet, "elastic-keys/"+ref, nil).Object(d.t)
	list := d.s.Call(d.t, "", http.MethodGet, "elastic-keys/"+ref+"/material-keys?limit=1000", nil).Items(d.t)
	versions = make([]string, len(list))
	for _, version := range list {
		versions[int(version["version"].(float64))-1] = version["status"].(string)
	}
	return key["status"].(string), int(key["primary_version"].(float64)), versions
}

func TestLife_IsWhatTheModelSays(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	kmstest.EachAdministered(t, func(t *testing.T, s, _ *kmstest.Service) {
		keyringtest.Play(t, driven{t, s}, rand.New(rand.NewPCG(seed, 1)), 300)
	})
}

package usetest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

func TestBatch_OneBadItemFailsAloneAndTheOrderIsKept(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		h := kmstest.NewHolding(t, s, "default", s.Operator(t))
		const size = 1000
		bad := map[int]struct {
			item   any
			status int
			code   string
		}{
			0:   {map[string]any{"plaintext": "="}, http.StatusBadRequest, "validation_failed"},
			17:  {map[string]any{}, http.StatusBadRequest, "validation_failed"},
			100: {map[string]any{"plaintext": 1}, http.StatusBadRequest, "validation_failed"},
			101: {map[string]any{"plaintext": nil}, http.StatusBadRequest, "validation_failed"},
			102: {map[string]any{"plaintext": "", "other": 1}, http.StatusBadRequest, "unknown_member"},
			500: {"text", http.StatusBadRequest, "validation_failed"},
			501: {[]any{}, http.StatusBadRequest, "validation_failed"},
			777: {map[string]any{"plaintext": "", "context": map[string]any{"": "x"}}, http.StatusBadRequest, "validation_failed"},
			998: {map[string]any{"plaintext": kmstest.Encode(make([]byte, kmstest.Inline+1))}, http.StatusRequestEntityTooLarge, "payload_too_large"},
			999: {map[string]any{"plaintext": "", "context": map[string]any{"a": 1}}, http.StatusBadRequest, "validation_failed"},
		}
		items := make([]any, size)
		for i := range items {
			items[i] = map[string]any{"plaintext": kmstest.Encode(fmt.Append(nil, "item ", i))}
			if b, ok := bad[i]; ok {
				items[i] = b.item
			}
		}
		sealed := s.Post(t, h.Token, "elastic-keys/"+h.Secret+"/encrypt-batch", map[string]any{"items": items}).Results(t)
		require.Len(t, sealed, size)
		back := make([]any, size)
		for i, result := range sealed {
			if b, ok := bad[i]; ok {
				kmstest.RefusedItem(t, result, b.status, b.code, fmt.Sprint("item ", i))
				back[i] = map[string]any{"ciphertext": fmt.Sprint("not ", i)}
				continue
			}
			require.InDelta(t, http.StatusOK, result["status"], 0, "%v", result)
			back[i] = map[string]any{"ciphertext": result["ciphertext"]}
		}
		for i, result := range s.Post(t, h.Token, "elastic-keys/"+h.SecretName+"/decrypt-batch", map[string]any{"items": back}).Results(t) {
			if _, ok := bad[i]; ok {
				kmstest.RefusedItem(t, result, http.StatusBadRequest, "decryption_failed", fmt.Sprint("item ", i))
				continue
			}
			assert.Equal(t, kmstest.Encode(fmt.Append(nil, "item ", i)), result["plaintext"], "item %d", i)
		}
	})
}

func TestBatch_IsRefusedAsAWholeWhereNoItemCouldSucceed(t *testing.T) {
	t.Parallel()
	s, h := kmstest.Fixture(t)
	path := "elastic-keys/" + h.Secret + "/encrypt-batch"
	item := `{"plaintext":"aGVsbG8"}`
	many := func(n int) string { return `{"items":[` + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + `]}` }
	s.Post(t, h.Token, path, many(1000))
	for what, c := range map[string]struct {
		path, body, code string
		status           int
	}{
		"too many":             {path, many(1001), "validation_failed", http.StatusBadRequest},
		"none":                 {path, many(0), "validation_failed", http.StatusBadRequest},
		"no list":              {path, `{}`, "validation_failed", http.StatusBadRequest},
		"another member":       {path, `{"items":[` + item + `],"more":1}`, "unknown_member", http.StatusBadRequest},
		"two lists":            {path, `{"items":[` + item + `],"items":[` + item + `]}`, "duplicate_member", http.StatusBadRequest},
		"a duplicate within":   {path, `{"items":[{"plaintext":"","plaintext":""}]}`, "duplicate_member", http.StatusBadRequest},
		"trailing data":        {path, many(1) + "{}", "trailing_data", http.StatusBadRequest},
		"more than 8 MiB":      {path, many(1) + strings.Repeat(" ", 8<<20), "payload_too_large", http.StatusRequestEntityTooLarge},
		"a key for signatures": {"elastic-keys/" + h.Signer + "/encrypt-batch", many(1), "wrong_key_use", http.StatusConflict},
		"a key of nobody":      {"elastic-keys/nobody/encrypt-batch", many(1), "not_found", http.StatusNotFound},
	} {
		s.Call(t, h.Token, http.MethodPost, c.path, c.body).Refused(t, c.status, c.code, what)
	}
	narrow := s.Token(t, "default", "narrow", "kms:decrypt")
	s.Call(t, narrow, http.MethodPost, path, many(1)).Refused(t, http.StatusForbidden, "insufficient_scope", "another scope")
}

// Each item of a batch is a use: of its version, in the audit trail and in the counts.
func TestBatch_CountsEveryUse(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		for _, mode := range []string{"aggregate", "each"} {
			t.Run(engine+"/"+mode, func(t *testing.T) {
				t.Parallel()
				cfg, files := kmstest.Prepare(t, engine)
				cfg.Audit.DataPlane = mode
				certificate := kmstest.Administer(t, &cfg)
				s := kmstest.Run(t, cfg, files).As(t, certificate)
				token := s.Operator(t)
				id := s.Create(t, token, "counted", "ES256")
				var items []any
				for range 40 {
					items = append(items, map[string]any{"payload": "aGVsbG8"})
				}
				first := s.Post(t, token, "elastic-keys/counted/sign-batch", map[string]any{"items": items}).Results(t)
				s.Post(t, token, "elastic-keys/counted/rotate", nil)
				second := s.Post(t, token, "elastic-keys/counted/sign-batch", map[string]any{"items": items[:20]}).Results(t)
				checks := []any{map[string]any{"signature": "x", "format": "der"}, map[string]any{}}
				for _, result := range append(first, second...) {
					checks = append(checks, map[string]any{"signature": result["signature"]})
				}
				s.Post(t, token, "elastic-keys/counted/verify-batch", map[string]any{"items": checks})
				want := map[string]float64{"sign 1 allowed": 40, "sign 2 allowed": 20, "verify 1 allowed": 40, "verify 2 allowed": 20, "verify 0 failed": 2}
				require.Eventually(t, func() bool {
					got := map[string]float64{}
					for _, item := range s.Ask(t, http.MethodGet, "audit/events?limit=1000&newest=true", nil).Done(t, http.StatusOK).Items(t) {
						event := item["event"].(map[string]any)
						object, _ := event["object"].(map[string]any)
						if object["id"] != id && object["id"] != "counted" || event["action"] != "sign" && event["action"] != "verify" {
							continue
						}
						count, counted := event["count"].(float64)
						if !counted {
							count = 1
						}
						version, _ := object["version"].(float64)
						got[fmt.Sprintf("%s %v %s", event["action"], version, event["outcome"])] += count
					}
					return assert.ObjectsAreEqual(want, got)
				}, 20*time.Second, 50*time.Millisecond)
			})
		}
	}
}

package client_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/apiclient/double"

	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

// echo answers each item of a batch with itself as ciphertext, and one that says "bad" with a problem.
func echo(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Items []struct {
			Plaintext string `json:"plaintext"`
		} `json:"items"`
	}
	if json.NewDecoder(r.Body).Decode(&body) != nil {
		panic("not JSON")
	}
	var out []string
	for _, item := range body.Items {
		if item.Plaintext == "bad" {
			out = append(out, `{"status":400,"problem":{"type":"t","title":"T","status":0,"code":"validation_failed","request_id":"r"}}`)
			continue
		}
		out = append(out, fmt.Sprintf(`{"status":200,"ciphertext":%q,"elastic_key_id":"k","version":2}`, item.Plaintext))
	}
	_, _ = io.WriteString(w, `{"results":[`+strings.Join(out, ",")+`]}`)
}

func TestBatch_IsCutIntoRequestsAndKeepsItsOrder(t *testing.T) {
	t.Parallel()
	s := double.Serve(t, echo)
	kms := dial(t, s, nil)
	for _, size := range []int{0, 1, 999, 1000, 1001, 2500} {
		before := len(s.Requests())
		items := make([]client.EncryptRequest, size)
		for n := range items {
			items[n].Plaintext = client.EncodeBytes(fmt.Appendf(nil, "item %d", n))
			if n%7 == 3 {
				items[n].Plaintext = "bad"
			}
		}
		outcomes, err := kms.EncryptBatch(t.Context(), "k", items)
		require.NoError(t, err)
		require.Len(t, outcomes, size)
		assert.Len(t, s.Requests(), before+(size+999)/1000)
		for n, outcome := range outcomes {
			if n%7 == 3 {
				var problem *client.Problem
				require.ErrorAs(t, outcome.Err, &problem)
				assert.Equal(t, http.StatusBadRequest, problem.Status)
				continue
			}
			require.NoError(t, outcome.Err)
			assert.Equal(t, client.EncryptResponse{Ciphertext: items[n].Plaintext, ElasticKeyID: "k", Version: 2}, outcome.Value)
		}
	}
}

func TestBatch_IsCutByItsBytesToo(t *testing.T) {
	t.Parallel()
	s := double.Serve(t, echo)
	kms := dial(t, s, nil)
	large := json.RawMessage(`{"plaintext":"` + strings.Repeat("A", 3<<20) + `"}`)
	over := json.RawMessage(`{"plaintext":"` + strings.Repeat("A", 8<<20) + `"}`)
	small := json.RawMessage(`{"plaintext":  "c21hbGw"}`)
	results, err := kms.Batch(t.Context(), "k", client.OpEncrypt, []json.RawMessage{small, large, large, json.RawMessage(`{"plain`), large, over, small})
	require.NoError(t, err)
	require.Len(t, results, 7)
	for n, want := range []string{"200", "200", "200", "400", "200", "413", "200"} {
		assert.True(t, strings.HasPrefix(string(results[n]), `{"status":`+want+`,`), "%d: %.80s", n, results[n])
	}
	assert.Contains(t, string(results[3]), "the item is no JSON")
	seen := s.Requests()
	assert.Len(t, seen, 2)
	for _, r := range seen {
		assert.LessOrEqual(t, len(r.Body), 8<<20)
	}
	assert.Contains(t, seen[1].Body, `{"plaintext":"c21hbGw"}`)
}

func TestBatch_TellsWhatWasDoneBeforeItFailed(t *testing.T) {
	t.Parallel()
	done := double.OK(`{"results":[` + strings.Repeat(`{"status":200,"valid":true},`, 999) + `{"status":200,"valid":false}]}`)
	kms := dial(t, double.Serve(t, done, double.Refuse(http.StatusConflict, "invalid_state")), nil)
	outcomes, err := kms.VerifyBatch(t.Context(), "k", make([]client.VerifyRequest, 1001))
	require.ErrorContains(t, err, "invalid_state")
	require.Len(t, outcomes, 1000)
	assert.True(t, outcomes[0].Value.Valid)
	assert.False(t, outcomes[999].Value.Valid)

	kms = dial(t, double.Serve(t, double.OK(`{"results":[{"status":200}]}`)), nil)
	_, err = kms.MacBatch(t.Context(), "k", make([]client.MacRequest, 2))
	require.ErrorContains(t, err, "1 results of 2 items")
	_, err = kms.Batch(t.Context(), "k", "export", nil)
	require.ErrorContains(t, err, "no operation that goes in batches")
	_, err = kms.EncapsulateBatch(t.Context(), "k", -1)
	require.Error(t, err)
	for _, result := range []string{`{"status":500}`, `{"status":"x"}`, `{"status":200,"mac":7}`} {
		kms = dial(t, double.Serve(t, double.OK(`{"results":[`+result+`]}`)), nil)
		outcomes, err := kms.MacBatch(t.Context(), "k", make([]client.MacRequest, 1))
		require.NoError(t, err)
		require.Error(t, outcomes[0].Err, result)
	}
}

// Every operation goes to its own path.
func TestBatch_OfEveryOperation(t *testing.T) {
	t.Parallel()
	s := double.Serve(t, double.OK(`{"results":[{"status":200}]}`))
	kms := dial(t, s, nil)
	for n, operation := range client.Operations() {
		_, err := kms.Batch(t.Context(), "k", operation, []json.RawMessage{json.RawMessage(`{}`)})
		require.NoError(t, err)
		want := "/service/api/v1/elastic-keys/k/" + string(operation) + "-batch"
		if operation == client.OpGenerateRandom {
			want = "/service/api/v1/generate-random-batch"
		}
		assert.Equal(t, want, s.Requests()[n].Path)
		assert.JSONEq(t, `{"items":[{}]}`, s.Requests()[n].Body)
	}
}

package client_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/apiclient/double"

	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

// tagged answers 200 with this JSON and an ETag.
func tagged(tag, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", tag)
		double.OK(body)(w, r)
	}
}

func noContent(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }

func TestLife_IsTheOperationsOfTheContract(t *testing.T) {
	t.Parallel()
	s := double.Serve(t, double.OK(`{}`))
	kms := dial(t, s, nil)
	ctx := t.Context()
	for _, change := range []func(context.Context, string) (*client.ElasticKey, error){kms.EnableKey, kms.DisableKey, kms.CancelDeletion, kms.RetryGeneration} {
		_, err := change(ctx, "payroll")
		require.NoError(t, err)
	}
	for _, end := range []client.End{{}, {WaitDays: 7, DryRun: true}} {
		_, err := kms.ScheduleDeletion(ctx, "payroll", end)
		require.NoError(t, err)
		_, err = kms.ScheduleDestruction(ctx, "payroll", 3, end)
		require.NoError(t, err)
	}
	for _, change := range []func(context.Context, string, int64) (*client.MaterialKey, error){
		kms.GetVersion, kms.EnableVersion, kms.DisableVersion, kms.SetPrimary, kms.MarkCompromised, kms.RestoreVersion,
	} {
		_, err := change(ctx, "payroll", 3)
		require.NoError(t, err)
	}
	_, err := kms.CreateAlias(ctx, "current", "payroll")
	require.NoError(t, err)
	_, err = kms.GetAlias(ctx, "current")
	require.NoError(t, err)
	_, err = kms.KeySet(ctx)
	require.NoError(t, err)
	_, err = kms.ReportAlgorithms(ctx)
	require.NoError(t, err)

	var got []string
	once := map[string]bool{}
	for _, r := range s.Requests() {
		got = append(got, strings.TrimSpace(r.Method+" "+strings.TrimPrefix(r.Path, "/service/api/v1/")+" "+r.Query+" "+r.Body))
		if key := r.Header.Get("Idempotency-Key"); r.Method == http.MethodPost {
			assert.NotEmpty(t, key, "%s", r.Path)
			assert.False(t, once[key], "each call has its own")
			once[key] = true
		}
	}
	assert.Equal(t, []string{
		"POST elastic-keys/payroll/enable",
		"POST elastic-keys/payroll/disable",
		"POST elastic-keys/payroll/cancel-deletion",
		"POST elastic-keys/payroll/retry-generation",
		"POST elastic-keys/payroll/schedule-deletion  {}",
		"POST elastic-keys/payroll/material-keys/3/schedule-destruction  {}",
		`POST elastic-keys/payroll/schedule-deletion dry_run=true {"wait_days":7}`,
		`POST elastic-keys/payroll/material-keys/3/schedule-destruction dry_run=true {"wait_days":7}`,
		"GET elastic-keys/payroll/material-keys/3",
		"POST elastic-keys/payroll/material-keys/3/enable",
		"POST elastic-keys/payroll/material-keys/3/disable",
		"POST elastic-keys/payroll/material-keys/3/set-primary",
		"POST elastic-keys/payroll/material-keys/3/mark-compromised",
		"POST elastic-keys/payroll/material-keys/3/restore",
		`POST aliases  {"key":"payroll","name":"current"}`,
		"GET aliases/current",
		"GET jwks",
		"GET reports/algorithms",
	}, got)
}

func TestUpdateKey_ChangesOnlyWhatItRead(t *testing.T) {
	t.Parallel()
	s := double.Serve(t, tagged(`"7"`, keyJSON))
	kms := dial(t, s, nil)
	_, err := kms.UpdateKey(t.Context(), "payroll", 0, func(key client.ElasticKey) (client.Patch, error) {
		return client.Patch{"description": key.Name + "!", "rotation": nil}, nil
	})
	require.NoError(t, err)
	seen := s.Requests()
	require.Len(t, seen, 2)
	assert.Equal(t, http.MethodPatch, seen[1].Method)
	assert.Equal(t, `"7"`, seen[1].Header.Get("If-Match"))
	assert.Equal(t, "application/merge-patch+json", seen[1].Header.Get("Content-Type"))
	assert.JSONEq(t, `{"description":"payroll!","rotation":null}`, seen[1].Body)

	_, err = kms.UpdateKey(t.Context(), "payroll", 0, func(client.ElasticKey) (client.Patch, error) { return nil, errors.New("no") })
	require.EqualError(t, err, "no")
	kms = dial(t, double.Serve(t, double.OK(keyJSON)), nil)
	_, err = kms.UpdateKey(t.Context(), "payroll", 0, func(client.ElasticKey) (client.Patch, error) { return client.Patch{}, nil })
	require.ErrorContains(t, err, "no ETag")
}

func TestUpdateKey_TriesAgainOnlyIfAsked(t *testing.T) {
	t.Parallel()
	stale := double.Refuse(http.StatusPreconditionFailed, "precondition_failed")
	for again, want := range map[int]int{0: 2, 1: 4, 2: 6, 9: 6} {
		script := []http.HandlerFunc{tagged(`"1"`, keyJSON), stale, tagged(`"2"`, keyJSON), stale, tagged(`"3"`, keyJSON), double.OK(keyJSON)}
		s := double.Serve(t, script...)
		kms := dial(t, s, nil)
		asked := 0
		_, err := kms.UpdateKey(t.Context(), "payroll", again, func(client.ElasticKey) (client.Patch, error) {
			asked++
			return client.Patch{"description": "x"}, nil
		})
		assert.Len(t, s.Requests(), want, "again %d", again)
		assert.Equal(t, want/2, asked)
		if again >= 2 {
			require.NoError(t, err)
			assert.Equal(t, `"3"`, s.Requests()[5].Header.Get("If-Match"))
		} else {
			var problem *client.Problem
			require.ErrorAs(t, err, &problem)
			assert.Equal(t, "precondition_failed", problem.Code)
		}
	}
	s := double.Serve(t, tagged(`"1"`, keyJSON), double.Refuse(http.StatusConflict, "invalid_state"))
	kms := dial(t, s, nil)
	_, err := kms.UpdateKey(t.Context(), "payroll", 5, func(client.ElasticKey) (client.Patch, error) { return client.Patch{"tags": nil}, nil })
	require.ErrorContains(t, err, "invalid_state")
	assert.Len(t, s.Requests(), 2, "only what somebody else changed is tried again")
}

func TestAliases_AreMovedListedAndDeleted(t *testing.T) {
	t.Parallel()
	const alias = `{"name":"current","elastic_key_id":"x","created_at":"a","updated_at":"b"}`
	s := double.Serve(t, tagged(`"4"`, alias), double.OK(alias), double.OK(`{"items":[`+alias+`],"next_cursor":"one"}`), double.OK(`{"items":[`+alias+`]}`), noContent)
	kms := dial(t, s, nil)
	moved, err := kms.MoveAlias(t.Context(), "current", "payroll-2027", 0)
	require.NoError(t, err)
	assert.Equal(t, "x", moved.ElasticKeyID)
	count := 0
	for _, err := range kms.ListAliases(t.Context(), "payroll") {
		require.NoError(t, err)
		count++
	}
	assert.Equal(t, 2, count)
	require.NoError(t, kms.DeleteAlias(t.Context(), "current"))

	seen := s.Requests()
	require.Len(t, seen, 5)
	assert.Equal(t, `"4"`, seen[1].Header.Get("If-Match"))
	assert.JSONEq(t, `{"key":"payroll-2027"}`, seen[1].Body)
	assert.Equal(t, "limit=1000&cursor=one&key=payroll", seen[3].Query)
	assert.Equal(t, http.MethodDelete, seen[4].Method)
}

func TestListKeys_PassesEveryFilter(t *testing.T) {
	t.Parallel()
	s := double.Serve(t, double.OK(`{"items":[]}`))
	kms := dial(t, s, nil)
	filter := client.KeyFilter{
		ID: "i", Name: "n", Algorithm: "a", Status: "s", Tag: "t=v", VersioningAllowed: new(false), ImportAllowed: new(true),
		Sort: client.ListElasticKeysParamsSortMinusName,
	}
	for _, err := range kms.ListKeys(t.Context(), filter) {
		require.NoError(t, err)
	}
	for _, err := range kms.AllVersions(t.Context(), client.VersionFilter{Status: "compromised", Algorithm: "ES256"}) {
		require.NoError(t, err)
	}
	assert.Equal(t, "limit=1000&sort=-name&id=i&tag=t%3Dv&versioning_allowed=false&import_allowed=true&name=n&algorithm=a&status=s", s.Requests()[0].Query)
	assert.Equal(t, "limit=1000&status=compromised&algorithm=ES256", s.Requests()[1].Query)
}

func TestLife_RefusesWhatIsNoKeyVersionOrAlias(t *testing.T) {
	t.Parallel()
	s := double.Serve(t, double.OK(`{}`))
	kms := dial(t, s, nil)
	ctx := t.Context()
	for _, name := range []string{"", ".", ".."} {
		_, err := kms.EnableKey(ctx, name)
		require.Error(t, err)
		_, err = kms.ScheduleDeletion(ctx, name, client.End{})
		require.Error(t, err)
		_, err = kms.DisableVersion(ctx, name, 1)
		require.Error(t, err)
		_, err = kms.UpdateKey(ctx, name, 0, func(client.ElasticKey) (client.Patch, error) { return nil, nil })
		require.Error(t, err)
		_, err = kms.GetAlias(ctx, name)
		require.Error(t, err)
		_, err = kms.MoveAlias(ctx, name, "k", 0)
		require.Error(t, err)
		require.Error(t, kms.DeleteAlias(ctx, name))
	}
	for _, version := range []int64{0, -1} {
		_, err := kms.SetPrimary(ctx, "payroll", version)
		require.ErrorContains(t, err, "they count from 1")
	}
	assert.Empty(t, s.Requests())
}

func TestCertificate_IsTheCredential(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "admin"}, NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	pair := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}

	shown := ""
	s := double.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		for _, certificate := range r.TLS.PeerCertificates {
			shown = certificate.Subject.CommonName
		}
		double.OK(keyJSON)(w, r)
	})
	s.TLS.ClientAuth = tls.RequestClientCert
	kms := dial(t, s, func(c *client.Config) { c.Token, c.Certificate = "", pair })
	_, err = kms.GetKey(t.Context(), "payroll")
	require.NoError(t, err)
	assert.Equal(t, "admin", shown)
	assert.Empty(t, s.Requests()[0].Header.Get("Authorization"))

	_, err = client.New(client.Config{URL: s.URL, Token: "t", Certificate: pair})
	require.ErrorContains(t, err, "both Token and Certificate")
	assert.Contains(t, client.Config{URL: s.URL, Certificate: pair}.String(), "with a client certificate")
}

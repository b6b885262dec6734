package apiclient_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/apiclient"
	"github.com/cryptoutil/cryptoutil/libs/apiclient/double"
)

// tagged answers a thing with an ETag.
func tagged(tag, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", tag)
		double.OK(body)(w, r)
	}
}

func update(t *testing.T, s *double.Server, again int) (*thing, error) {
	t.Helper()
	caller, _ := dial(t, s, nil)
	send := func(ctx context.Context, method, tag, body string) (*http.Response, error) {
		r, err := http.NewRequestWithContext(ctx, method, caller.Base()+"/things/payroll", strings.NewReader(body))
		if err != nil {
			return nil, err
		}
		r.Header.Set("If-Match", tag)
		return caller.HTTP().Do(r)
	}
	return apiclient.Update(t.Context(), caller, "update thing", again,
		func(ctx context.Context) (*http.Response, error) { return send(ctx, http.MethodGet, "", "") },
		func(now thing) (apiclient.Patch, error) { return apiclient.Patch{"name": now.Name + "+"}, nil },
		func(ctx context.Context, tag string, patch json.RawMessage) (*http.Response, error) {
			return send(ctx, http.MethodPatch, tag, string(patch))
		})
}

func TestUpdate_ChangesWhatItHasReadAndNothingElse(t *testing.T) {
	t.Parallel()
	s := double.Serve(t, tagged(`"1"`, `{"name":"a"}`), double.Refuse(412, "precondition_failed"), tagged(`"2"`, `{"name":"b"}`), double.OK(`{"name":"b+"}`))
	changed, err := update(t, s, 1)
	require.NoError(t, err)
	assert.Equal(t, "b+", changed.Name)
	seen := s.Requests()
	require.Len(t, seen, 4)
	assert.Equal(t, []string{`"1"`, `{"name":"a+"}`}, []string{seen[1].Header.Get("If-Match"), seen[1].Body})
	assert.Equal(t, []string{`"2"`, `{"name":"b+"}`}, []string{seen[3].Header.Get("If-Match"), seen[3].Body})

	_, err = update(t, double.Serve(t, tagged(`"1"`, `{"name":"a"}`), double.Refuse(412, "precondition_failed")), 0)
	var problem *apiclient.Problem
	require.ErrorAs(t, err, &problem)
	assert.Equal(t, "precondition_failed", problem.Code)
	_, err = update(t, double.Serve(t, double.OK(`{"name":"a"}`)), 0)
	require.ErrorContains(t, err, "no ETag")
}

func TestPages_EndWithTheListAndRefuseOneThatDoesNot(t *testing.T) {
	t.Parallel()
	read := func(cursors ...string) (items []int, err error) {
		n := 0
		for item, failed := range apiclient.Pages(func(*string) ([]int, *string, error) {
			n++
			if n > len(cursors) {
				return []int{n}, nil, nil
			}
			return []int{n}, &cursors[n-1], nil
		}) {
			if failed != nil {
				return items, failed
			}
			items = append(items, item)
		}
		return items, nil
	}
	items, err := read("a", "b")
	require.NoError(t, err)
	assert.Equal(t, []int{1, 2, 3}, items)
	_, err = read("a", "a")
	require.ErrorContains(t, err, "does not end")
}

func TestCheckRef_RefusesOtherPaths(t *testing.T) {
	t.Parallel()
	for _, ref := range []string{"", ".", ".."} {
		require.Error(t, apiclient.CheckRef(ref), "%q", ref)
	}
	require.NoError(t, apiclient.CheckRef("payroll"))
}

func TestBytes_AreBase64URLWithoutPaddingAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "x", "\x00\xff\xfe"} {
		back, err := apiclient.DecodeBytes(apiclient.EncodeBytes([]byte(text)))
		require.NoError(t, err)
		assert.Equal(t, text, string(back))
	}
	for _, text := range []string{"eA==", "e A", "eB", "+/", "eA\n"} {
		_, err := apiclient.DecodeBytes(text)
		require.Error(t, err, "%q", text)
	}
}

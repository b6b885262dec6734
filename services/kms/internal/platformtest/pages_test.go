package platformtest_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// createMany makes n symmetric keys, several at a time. The number goes into their names.
func createMany(t testing.TB, s *kmstest.Service, token, prefix string, n int) {
	t.Helper()
	var next atomic.Int64
	var group sync.WaitGroup
	failures := make([]error, 4)
	for worker := range failures {
		group.Go(func() {
			for {
				i := int(next.Add(1))
				if i > n || failures[worker] != nil {
					return
				}
				got, err := s.Exchange(s.Request(t, token, http.MethodPost, "elastic-keys",
					map[string]any{"name": fmt.Sprintf("%s-%d", prefix, i), "algorithm": "A256GCM/A256KW"}))
				if err == nil && got.Status != http.StatusCreated {
					err = fmt.Errorf("%d %s", got.Status, got.Body)
				}
				failures[worker] = err
			}
		})
	}
	group.Wait()
	require.NoError(t, errors.Join(failures...))
}

// walk reads all pages of a list and returns what each item has as the member.
func walk(t testing.TB, s *kmstest.Service, token, path, member string, each func()) (all []string) {
	t.Helper()
	cursor := ""
	for {
		next := path
		if cursor != "" {
			separator := "?"
			if strings.Contains(path, "?") {
				separator = "&"
			}
			next += separator + "cursor=" + cursor
		}
		page := s.Get(t, token, next)
		for _, item := range page.Items(t) {
			all = append(all, fmt.Sprint(item[member]))
		}
		if cursor = page.Member(t, "next_cursor"); cursor == "" {
			return all
		}
		each()
	}
}

func TestPages_AreCompleteWhileOthersInsert(t *testing.T) {
	t.Parallel()
	const before = 250
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		token := s.Operator(t)
		createMany(t, s, token, "before", before)
		for _, limit := range []int{1000, 100, 7} {
			made := 0
			ids := map[string]bool{}
			names := walk(t, s, token, "elastic-keys?limit="+strconv.Itoa(limit), "name", func() {
				made++
				ids[s.Create(t, token, fmt.Sprintf("during-%d-%d", limit, made), "A256GCM/A256KW")] = true
			})
			seen := map[string]int{}
			for _, name := range names {
				seen[name]++
			}
			for i := range before {
				assert.Equal(t, 1, seen[fmt.Sprintf("before-%d", i+1)], "limit %d, key %d", limit, i+1)
			}
			for name, n := range seen {
				assert.Equal(t, 1, n, "limit %d: %s", limit, name)
			}
			for i := range made { // they come last in the order of creation
				assert.Equal(t, 1, seen[fmt.Sprintf("during-%d-%d", limit, i+1)], "limit %d, made meanwhile %d", limit, i+1)
			}
		}
		ids := walk(t, s, token, "elastic-keys?limit=99&status=active", "id", func() {})
		assert.True(t, slices.IsSorted(ids), "in order of creation")
		all := s.Get(t, token, "elastic-keys?limit=1000")
		assert.Len(t, all.Items(t), len(ids))
		assert.NotContains(t, all.Object(t), "next_cursor")
		assert.Len(t, s.Get(t, token, "elastic-keys").Items(t), 100, "without a limit")
	})
}

func TestPages_OfVersionsAreCompleteWhileTheKeyRotates(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		token := s.Operator(t)
		s.Create(t, token, "turning", "A256GCM/A256KW")
		const before = 12
		for range before - 1 {
			s.Post(t, token, "elastic-keys/turning/rotate", nil)
		}
		versions := walk(t, s, token, "elastic-keys/turning/material-keys?limit=5", "version", func() {
			s.Post(t, token, "elastic-keys/turning/rotate", nil)
		})
		var want []string
		for i := before; i >= 1; i-- {
			want = append(want, strconv.Itoa(i))
		}
		assert.Equal(t, want, versions, "newest first, from where the walk began")
		primaries := 0
		for _, item := range s.Get(t, token, "elastic-keys/turning/material-keys").Items(t) {
			if item["primary"].(bool) {
				primaries++
				assert.EqualValues(t, before+2, item["version"])
			}
		}
		assert.Equal(t, 1, primaries)
	})
}

func TestCursor_ContinuesItsListAndNoOther(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		h := kmstest.NewHolding(t, s, "default", s.Operator(t))
		s.Create(t, h.Token, "third", "A256GCM/A256KW")
		cursor := s.Get(t, h.Token, "elastic-keys?limit=1&algorithm=A256GCM/A256KW").Member(t, "next_cursor")
		s.Get(t, h.Token, kmstest.Query("elastic-keys", "algorithm", "A256GCM/A256KW", "cursor", cursor, "limit", "1000"))
		byName := s.Get(t, h.Token, "elastic-keys/"+h.SecretName+"/material-keys?limit=1").Member(t, "next_cursor")
		assert.Equal(t, h.VersionCursor, byName, "one list, however the path calls the key")

		refuse := func(path, what string) {
			t.Helper()
			s.Call(t, h.Token, http.MethodGet, path, nil).Refused(t, http.StatusBadRequest, "invalid_cursor", what)
		}
		refuse(kmstest.Query("elastic-keys", "cursor", cursor), "without its filter")
		refuse(kmstest.Query("elastic-keys", "algorithm", "ES256", "cursor", cursor), "with another filter")
		refuse(kmstest.Query("elastic-keys", "algorithm", "A256GCM/A256KW", "status", "active", "cursor", cursor), "with a further filter")
		refuse(kmstest.Query("elastic-keys", "name", "a256gcm", "cursor", cursor), "with the filter at another place")
		refuse(kmstest.Query("elastic-keys/"+h.Secret+"/material-keys", "cursor", cursor), "of another list")
		refuse(kmstest.Query("elastic-keys", "cursor", h.VersionCursor), "of a key's versions")
		refuse(kmstest.Query("elastic-keys/"+h.Signer+"/material-keys", "cursor", h.VersionCursor), "of another key's versions")
		for i := range len(cursor) {
			spoilt := cursor[:i] + kmstest.NextLetter(cursor[i]) + cursor[i+1:]
			refuse(kmstest.Query("elastic-keys", "algorithm", "A256GCM/A256KW", "cursor", spoilt), fmt.Sprintf("with letter %d changed", i))
		}
		for what, spoilt := range map[string]string{
			"longer": cursor + "AAAA", "shorter": cursor[:len(cursor)-4], "padded": cursor + "=", "with a line end": cursor + "\n",
			"upper case": strings.ToUpper(cursor), "the MAC alone": cursor[:43], "no MAC": base64.RawURLEncoding.EncodeToString([]byte(h.SecretID)),
			"an id": h.SecretID, "a null": "\x00", "zero": "0", "the other alphabet": "+/+/",
		} {
			refuse(kmstest.Query("elastic-keys", "algorithm", "A256GCM/A256KW", "cursor", spoilt), what)
		}
	})
}

func TestCursor_OutlivesARestart(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		h := kmstest.NewHolding(t, s, "default", s.Operator(t))
		want := s.Get(t, h.Token, kmstest.Query("elastic-keys", "cursor", h.KeysCursor)).Body
		s.Stop()
		s = kmstest.Run(t, s.Config, s.Files)
		assert.Equal(t, want, s.Get(t, h.Token, kmstest.Query("elastic-keys", "cursor", h.KeysCursor)).Body)
	})
}

func TestParameters_AreReadStrictly(t *testing.T) {
	t.Parallel()
	s, h := kmstest.Fixture(t)
	for _, list := range []string{"elastic-keys", "elastic-keys/" + h.Secret + "/material-keys"} {
		for _, limit := range []string{"1", "1000"} {
			s.Get(t, h.Token, list+"?limit="+limit)
		}
		for _, bad := range []string{
			"limit=0", "limit=-1", "limit=1001", "limit=", "limit=x", "limit=1.0", "limit=1e2", "limit=0x10", "limit=99999999999999999999", "limit=9223372036854775807",
			"limit=%31%00", "limit=1&limit=2", "limit=1&limit=1", "limit[]=1", "Limit=1", "limit=1,2", "limit=٣", "limit=+1", "limit=1%20",
			"cursor=", "cursor=" + strings.Repeat("A", 1025), "cursor=a&cursor=b", "unknown=1", "=1", "access_token=x", "sort=size", "offset=1",
		} {
			got := s.Call(t, h.Token, http.MethodGet, list+"?"+bad, nil)
			assert.Equal(t, http.StatusBadRequest, got.Status, "%s?%s: %s", list, bad, got.Body)
			assert.Equal(t, "validation_failed", got.Member(t, "code"), bad)
			assert.NotEmpty(t, got.Object(t)["errors"], bad)
		}
		for _, malformed := range []string{"limit=%", "limit=%zz", "limit=1;cursor=x", "%"} {
			s.Call(t, h.Token, http.MethodGet, list+"?"+malformed, nil).Refused(t, http.StatusBadRequest, "bad_request", malformed)
		}
	}
	for _, bad := range []string{
		"name=UPPER", "name=" + strings.Repeat("a", 64), "name=", "name=-x", "status=gone", "status=", "status=Active", "algorithm=", "algorithm=" + strings.Repeat("a", 65),
	} {
		s.Call(t, h.Token, http.MethodGet, "elastic-keys?"+bad, nil).Refused(t, http.StatusBadRequest, "validation_failed", bad)
	}
	for _, bad := range []string{"version=0", "version=-1", "version=x", "version=9223372036854775808"} {
		s.Call(t, h.Token, http.MethodGet, "elastic-keys/"+h.Signer+"/public-key?"+bad, nil).Refused(t, http.StatusBadRequest, "validation_failed", bad)
	}
	for _, absent := range []string{"2", "9223372036854775807"} {
		s.Call(t, h.Token, http.MethodGet, "elastic-keys/"+h.Signer+"/public-key?version="+absent, nil).Refused(t, http.StatusNotFound, "not_found", absent)
	}
	for _, absent := range []string{"0", "-1", "3", "+1", "01", "1.0", "0x1", "9223372036854775808", "%20" + "1", "1%00", h.SecretID, h.SignerID, "latest"} {
		s.Call(t, h.Token, http.MethodGet, "elastic-keys/"+h.Secret+"/material-keys/"+absent, nil).Refused(t, http.StatusNotFound, "not_found", absent)
	}
	s.Call(t, h.Token, http.MethodGet, "elastic-keys/"+h.Signer+"/material-keys/"+h.MaterialID, nil).
		Refused(t, http.StatusNotFound, "not_found", "a version of another key")
	for _, unknown := range []string{"self?x=1", "elastic-keys/" + h.Secret + "?limit=1"} {
		s.Call(t, h.Token, http.MethodGet, unknown, nil).Refused(t, http.StatusBadRequest, "validation_failed", unknown)
	}
	s.Call(t, h.Token, http.MethodPost, "elastic-keys/"+h.Secret+"/rotate?dry_run=true", nil).
		Refused(t, http.StatusBadRequest, "validation_failed", "a parameter that rotate does not have")
	s.Call(t, h.Token, http.MethodPost, "elastic-keys/"+h.Signer+"/sign?payload=x", map[string]any{"payload": ""}).
		Refused(t, http.StatusBadRequest, "validation_failed", "a parameter that sign does not have")
	assert.EqualValues(t, 2, s.Get(t, h.Token, "elastic-keys/"+h.Secret).Object(t)["version_count"], "nothing rotated")
}

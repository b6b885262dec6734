package lifetest_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

func TestPatch_ChangesWhatItNamesFromWhatWasSeen(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		token := s.Operator(t)
		path := "elastic-keys/" + s.Post(t, token, "elastic-keys", map[string]any{
			"name": "key", "algorithm": "A256GCM/A256KW", "tags": map[string]string{"team": "pay", "env": "prod"}, "description": "first",
			"rotation": map[string]any{"every_seconds": 86400, "notify_before_seconds": 3600}, "exportable": true, "import_allowed": false,
			"policy": map[string]any{"operations": []string{"encrypt"}, "roles": []string{"keeper"}},
		}).Member(t, "id")
		first := s.Call(t, token, http.MethodGet, path, nil)
		tag := first.Header.Get("ETag")
		assert.Equal(t, `"1"`, tag)
		made := first.Object(t)
		assert.Equal(t, map[string]any{"team": "pay", "env": "prod"}, made["tags"])
		assert.NotEmpty(t, made["next_rotation_at"])
		assert.Equal(t, []any{true, false, true}, []any{made["exportable"], made["import_allowed"], made["versioning_allowed"]})

		s.Call(t, token, http.MethodGet, path, nil, "If-None-Match", tag).Done(t, http.StatusNotModified)
		s.Call(t, token, http.MethodGet, path, nil, "If-None-Match", `"0", "7"`).Done(t, http.StatusOK)
		body := map[string]any{"description": "second", "tags": map[string]any{"env": nil, "tier": "1"}, "rotation": map[string]any{"notify_before_seconds": nil, "uses": 5}}
		s.Call(t, token, http.MethodPatch, path, body, "If-Match", "").Refused(t, http.StatusPreconditionRequired, "precondition_required", "without")
		for _, stale := range []string{`"0"`, `"2"`, `W/"1"`} {
			s.Call(t, token, http.MethodPatch, path, body, "If-Match", stale).Refused(t, http.StatusPreconditionFailed, "precondition_failed", stale)
		}
		changed := s.Call(t, token, http.MethodPatch, path, body, "If-Match", tag).Done(t, http.StatusOK)
		assert.Equal(t, `"2"`, changed.Header.Get("ETag"))
		s.Call(t, token, http.MethodPatch, path, body, "If-Match", tag).Refused(t, http.StatusPreconditionFailed, "precondition_failed", "what was seen is old")
		s.Call(t, token, http.MethodGet, path, nil, "If-None-Match", tag).Done(t, http.StatusOK)
		now := changed.Object(t)
		assert.Equal(t, map[string]any{"team": "pay", "tier": "1"}, now["tags"])
		assert.Equal(t, map[string]any{"every_seconds": 86400.0, "uses": 5.0}, now["rotation"])
		assert.Equal(t, made["policy"], now["policy"], "what is not named stays")
		assert.Equal(t, made["next_rotation_at"], now["next_rotation_at"])
		assert.Equal(t, "second", now["description"])

		now = s.Call(t, token, http.MethodPatch, path, map[string]any{"policy": nil, "rotation": nil, "tags": nil, "description": nil, "import_allowed": nil},
			"If-Match", `"2"`).Done(t, http.StatusOK).Object(t)
		assert.Equal(t, []any{map[string]any{}, map[string]any{}, map[string]any{}, "", true}, []any{now["policy"], now["rotation"], now["tags"], now["description"], now["import_allowed"]})
		assert.NotContains(t, now, "next_rotation_at")

		for what, refused := range map[string]struct {
			body any
			code string
		}{
			"a member that cannot be changed":          {map[string]any{"name": "other"}, "unknown_member"},
			"an unknown member":                        {map[string]any{"policy": map[string]any{"who": 1}}, "unknown_member"},
			"nothing":                                  {map[string]any{}, "validation_failed"},
			"a type":                                   {map[string]any{"description": 1}, "validation_failed"},
			"a minimum beyond the versions":            {map[string]any{"min_decrypt_version": 2}, "validation_failed"},
			"a minimum below 0":                        {map[string]any{"min_encrypt_version": -1}, "validation_failed"},
			"what is made must be readable":            {map[string]any{"min_encrypt_version": 2}, "validation_failed"},
			"an operation of other keys":               {map[string]any{"policy": map[string]any{"operations": []string{"sign"}}}, "validation_failed"},
			"an operation that is none":                {map[string]any{"policy": map[string]any{"operations": []string{"destroy"}}}, "validation_failed"},
			"a quorum of more than all":                {map[string]any{"policy": map[string]any{"quorum": map[string]any{"approvals": 2, "approvers": []string{"a"}}}}, "validation_failed"},
			"a quorum of nobody":                       {map[string]any{"policy": map[string]any{"quorum": map[string]any{"approvals": 1}}}, "validation_failed"},
			"a rotation all the time":                  {map[string]any{"rotation": map[string]any{"every_seconds": 3599}}, "validation_failed"},
			"a rotation never":                         {map[string]any{"rotation": map[string]any{"every_seconds": 1 << 60}}, "validation_failed"},
			"a notice after the rotation":              {map[string]any{"rotation": map[string]any{"every_seconds": 3600, "notify_before_seconds": 3600}}, "validation_failed"},
			"a tag without a name":                     {map[string]any{"tags": map[string]string{"": "x"}}, "validation_failed"},
			"a tag with = in its name":                 {map[string]any{"tags": map[string]string{"a=b": "x"}}, "validation_failed"},
			"rotation of what has no further versions": {map[string]any{"versioning_allowed": false, "rotation": map[string]any{"uses": 1}}, "validation_failed"},
		} {
			got := s.Call(t, token, http.MethodPatch, path, refused.body, "If-Match", `"3"`)
			got.Refused(t, http.StatusBadRequest, refused.code, what)
		}
		assert.Equal(t, `"3"`, s.Call(t, token, http.MethodGet, path, nil).Header.Get("ETag"), "nothing of it was stored")
		s.Call(t, token, http.MethodPatch, path, map[string]any{"versioning_allowed": false}, "If-Match", `"3"`).Done(t, http.StatusOK)
		for _, way := range []string{"/rotate", "/material-keys"} {
			s.Call(t, token, http.MethodPost, path+way, nil).Refused(t, http.StatusForbidden, "policy_refused", way)
		}
	})
}

// pages reads a list to its end.
func pages(t *testing.T, s *kmstest.Service, token, path, member string) (all []string) {
	t.Helper()
	for cursor := ""; ; {
		got := s.Get(t, token, path+"&limit=2"+cursor)
		for _, item := range got.Items(t) {
			all = append(all, item[member].(string))
		}
		next := got.Member(t, "next_cursor")
		if next == "" {
			return all
		}
		cursor = "&cursor=" + next
	}
}

func TestLists_NarrowAndSort(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		token := s.Operator(t)
		ids := map[string]string{}
		names := []string{"e", "b", "d", "a", "c"}
		for i, name := range names {
			body := map[string]any{"name": name, "algorithm": []string{"A256GCM/A256KW", "ES256"}[i%2], "tags": map[string]string{"n": fmt.Sprint(i % 3), "all": ""}}
			if i == 4 {
				body["versioning_allowed"], body["import_allowed"] = false, false
			}
			ids[name] = s.Post(t, token, "elastic-keys", body).Member(t, "id")
		}
		s.Post(t, token, "elastic-keys/d/disable", nil)
		s.Post(t, token, "aliases", map[string]any{"name": "zz", "key": "a"})
		sorted := []string{"a", "b", "c", "d", "e"}
		down := slices.Clone(sorted)
		slices.Reverse(down)
		older := slices.Clone(names)
		slices.Reverse(older)
		for query, want := range map[string][]string{
			"sort=id": names, "sort=-id": older, "sort=name": sorted, "sort=-name": down,
			"name=c": {"c"}, "name=zz": {"a"}, "name=nothing": nil, "id=" + ids["b"]: {"b"}, "id=b": nil,
			"algorithm=ES256": {"b", "a"}, "algorithm=none": nil, "status=disabled": {"d"}, "status=active&sort=name": {"a", "b", "c", "e"}, "status=deleted": nil,
			"tag=all&sort=name": sorted, "tag=all%3D&sort=name": sorted, "tag=n%3D1&sort=name": {"b", "c"}, "tag=n%3D": nil, "tag=m": nil,
			"versioning_allowed=false": {"c"}, "import_allowed=true&sort=name": {"a", "b", "d", "e"}, "tag=n%3D0&algorithm=ES256&status=active": {"a"},
		} {
			assert.Equal(t, want, pages(t, s, token, "elastic-keys?"+query, "name"), query)
		}
		cursor := s.Get(t, token, "elastic-keys?limit=1&sort=name").Member(t, "next_cursor")
		require.NotEmpty(t, cursor)
		for _, other := range []string{"", "&sort=-name", "&sort=name&status=active", "&sort=name&tag=all", "&sort=name&versioning_allowed=true"} {
			s.Call(t, token, http.MethodGet, "elastic-keys?cursor="+cursor+other, nil).Refused(t, http.StatusBadRequest, "invalid_cursor", other)
		}
		for _, bad := range []string{"sort=size", "versioning_allowed=perhaps", "status=odd"} {
			s.Call(t, token, http.MethodGet, "elastic-keys?"+bad, nil).Refused(t, http.StatusBadRequest, "validation_failed", bad)
		}
		s.Post(t, token, "elastic-keys/a/rotate", nil)
		assert.Len(t, pages(t, s, token, "material-keys?status=enabled", "id"), 6)
		assert.Len(t, pages(t, s, token, "material-keys?algorithm=ES256", "id"), 3)
		assert.Empty(t, pages(t, s, token, "material-keys?status=destroyed", "id"))
		primary := 0
		for _, item := range s.Get(t, token, "material-keys?algorithm=ES256").Items(t) {
			if is, _ := item["primary"].(bool); is {
				primary++
			}
		}
		assert.Equal(t, 2, primary)
	})
}

func TestAliases_AreNamesLikeAnyOther(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		token := s.Operator(t)
		first, second := s.Create(t, token, "first", "A256GCM/A256KW"), s.Create(t, token, "second", "A256GCM/A256KW")
		made := s.Post(t, token, "aliases", map[string]any{"name": "alias", "key": "first"})
		assert.Equal(t, first, made.Member(t, "elastic_key_id"))
		s.Post(t, token, "aliases", map[string]any{"name": "another", "key": "alias"})
		for what, body := range map[string]map[string]any{
			"a key's name": {"name": "first", "key": "second"}, "another key's name": {"name": "second", "key": "first"}, "an alias": {"name": "alias", "key": "second"},
		} {
			s.Call(t, token, http.MethodPost, "aliases", body).Refused(t, http.StatusConflict, "conflict", what)
		}
		s.Call(t, token, http.MethodPost, "elastic-keys", map[string]any{"name": "alias", "algorithm": "ES256"}).Refused(t, http.StatusConflict, "conflict", "a key")
		for _, name := range []string{"", "A", "-a", first, "a b"} {
			s.Call(t, token, http.MethodPost, "aliases", map[string]any{"name": name, "key": "first"}).Refused(t, http.StatusBadRequest, "validation_failed", name)
		}
		s.Call(t, token, http.MethodPost, "aliases", map[string]any{"name": "x", "key": "nothing"}).Refused(t, http.StatusNotFound, "not_found", "no key")
		s.Call(t, token, http.MethodGet, "aliases/first", nil).Refused(t, http.StatusNotFound, "not_found", "a key's own name is no alias")
		s.Call(t, token, http.MethodDelete, "aliases/first", nil).Refused(t, http.StatusNotFound, "not_found", "a key's own name is no alias")

		tag := s.Call(t, token, http.MethodGet, "aliases/alias", nil).Header.Get("ETag")
		s.Call(t, token, http.MethodGet, "aliases/alias", nil, "If-None-Match", tag).Done(t, http.StatusNotModified)
		s.Call(t, token, http.MethodPatch, "aliases/alias", map[string]any{"key": second}, "If-Match", "").Refused(t, http.StatusPreconditionRequired, "precondition_required", "")
		s.Call(t, token, http.MethodPatch, "aliases/alias", map[string]any{"key": "nothing"}, "If-Match", tag).Refused(t, http.StatusNotFound, "not_found", "")
		moved := s.Call(t, token, http.MethodPatch, "aliases/alias", map[string]any{"key": second}, "If-Match", tag).Done(t, http.StatusOK)
		assert.Equal(t, second, moved.Member(t, "elastic_key_id"))
		s.Call(t, token, http.MethodPatch, "aliases/alias", map[string]any{"key": first}, "If-Match", tag).Refused(t, http.StatusPreconditionFailed, "precondition_failed", "")
		assert.Equal(t, []string{"alias", "another"}, pages(t, s, token, "aliases?", "name"))
		assert.Equal(t, []string{"alias"}, pages(t, s, token, "aliases?key=second", "name"))
		s.Call(t, token, http.MethodGet, "aliases?key=nothing", nil).Refused(t, http.StatusNotFound, "not_found", "")
		s.Call(t, token, http.MethodDelete, "aliases/alias", nil).Done(t, http.StatusNoContent)
		s.Call(t, token, http.MethodGet, "elastic-keys/alias", nil).Refused(t, http.StatusNotFound, "not_found", "it is gone")
		s.Get(t, token, "elastic-keys/second")
		s.Create(t, token, "alias", "ES256")
	})
}

func TestAliases_WorkWhereverAnIDDoes(t *testing.T) {
	t.Parallel()
	kmstest.Each(t, func(t *testing.T, s *kmstest.Service) {
		h := kmstest.NewHolding(t, s, "default", s.Operator(t)).Renewing(t, s)
		renew, serial := h.Fresh, 0
		alias := func(key string) string {
			serial++
			return s.Post(t, h.Token, "aliases", map[string]any{"name": fmt.Sprint("called-", serial), "key": key}).Member(t, "name")
		}
		h.Fresh = func(what string) string {
			if what == "alias" {
				return renew(what)
			}
			return alias(renew(what))
		}
		h.Secret, h.Signer, h.Imported = alias(h.SecretID), alias(h.SignerID), alias(h.ImportedID)
		for _, op := range kmstest.Operations(t) {
			for _, ask := range kmstest.Asks()[op.ID](h) {
				s.Call(t, h.Token, op.Method, ask.Path, ask.Body).Fulfilled(t, op, ask.Path)
			}
		}
	})
}

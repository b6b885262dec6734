package cli_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

// lifeRoutes are those of the life of keys, versions and aliases.
func (f *fakeKMS) lifeRoutes() map[string]func(*http.Request) (any, *client.Problem) {
	routes := map[string]func(*http.Request) (any, *client.Problem){
		"PATCH /elastic-keys/{id}":                                             f.update,
		"POST /elastic-keys/{id}/enable":                                       f.move(client.ElasticKeyStatusDisabled, client.ElasticKeyStatusActive),
		"POST /elastic-keys/{id}/disable":                                      f.move(client.ElasticKeyStatusActive, client.ElasticKeyStatusDisabled),
		"POST /elastic-keys/{id}/cancel-deletion":                              f.move(client.ElasticKeyStatusPendingDelete, client.ElasticKeyStatusDisabled),
		"POST /elastic-keys/{id}/retry-generation":                             f.move(client.ElasticKeyStatusActive, client.ElasticKeyStatusPendingGenerate),
		"POST /elastic-keys/{id}/schedule-deletion":                            f.scheduleDeletion,
		"POST /elastic-keys/{id}/material-keys/{version}/schedule-destruction": f.scheduleDestruction,
		"GET /material-keys":                                                   f.allVersions,
		"GET /jwks":                                                            f.jwks,
		"GET /reports/algorithms":                                              f.algorithms,
		"POST /aliases":                                                        f.createAlias,
		"GET /aliases":                                                         f.listAliases,
		"GET /aliases/{alias}":                                                 f.getAlias,
		"PATCH /aliases/{alias}":                                               f.moveAlias,
		"DELETE /aliases/{alias}":                                              f.deleteAlias,
	}
	routes["GET /elastic-keys/{id}/material-keys/{version}"] = f.getVersion
	for action, becomes := range map[string]client.MaterialKeyStatus{
		"enable": client.MaterialKeyStatusEnabled, "disable": client.MaterialKeyStatusDisabled, "set-primary": "",
		"mark-compromised": client.MaterialKeyStatusCompromised, "restore": client.MaterialKeyStatusDisabled,
	} {
		routes["POST /elastic-keys/{id}/material-keys/{version}/"+action] = f.moveVersion(becomes)
	}
	return routes
}

// steppedUp says whether what a path names demands a fresh authentication.
func steppedUp(path string) bool {
	return strings.Contains(path, "/schedule-") || strings.HasSuffix(path, "/export") || strings.Contains(path, "/backups/")
}

// keyView is a key with its ETag.
type keyView struct {
	client.ElasticKey
	revision int
}

func (v keyView) tag() string { return strconv.Quote(strconv.Itoa(v.revision)) }

func (v keyView) MarshalJSON() ([]byte, error) { return json.Marshal(v.ElasticKey) }

func (k *fakeKey) view() keyView { return keyView{k.ElasticKey, k.revision} }

// tagged says whether the key has a tag, "name" or "name=value"; every key has "".
func (k *fakeKey) tagged(tag string) bool {
	name, value, valued := strings.Cut(tag, "=")
	found, ok := k.Tags[name]
	return tag == "" || ok && (!valued || found == value)
}

// update applies a merge patch to the key as JSON.
func (f *fakeKMS) update(r *http.Request) (any, *client.Problem) {
	key, problem := f.find(r)
	if problem != nil {
		return nil, problem
	}
	if r.Header.Get("Content-Type") != "application/merge-patch+json" {
		return nil, refusal(http.StatusUnsupportedMediaType, "unsupported_media_type", r.Header.Get("Content-Type"))
	}
	if r.Header.Get("If-Match") != key.view().tag() {
		return nil, refusal(http.StatusPreconditionFailed, "precondition_failed", "the resource has changed; read it again")
	}
	body, _ := io.ReadAll(r.Body)
	now, _ := json.Marshal(key.ElasticKey)
	var target, patch map[string]any
	if json.Unmarshal(now, &target) != nil || json.Unmarshal(body, &patch) != nil {
		return nil, refusal(http.StatusBadRequest, "bad_request", "no object")
	}
	merged, _ := json.Marshal(mergePatch(target, patch))
	next := client.ElasticKey{}
	if err := json.Unmarshal(merged, &next); err != nil {
		return nil, refusal(http.StatusBadRequest, "validation_failed", err.Error())
	}
	key.ElasticKey = next
	key.revision++
	return key.view(), nil
}

// mergePatch is RFC 7396 section 2 for objects.
func mergePatch(target, patch map[string]any) map[string]any {
	if target == nil {
		target = map[string]any{}
	}
	for name, value := range patch {
		switch v := value.(type) {
		case nil:
			delete(target, name)
		case map[string]any:
			inner, _ := target[name].(map[string]any)
			target[name] = mergePatch(inner, v)
		default:
			target[name] = v
		}
	}
	return target
}

func (f *fakeKMS) move(from, to client.ElasticKeyStatus) func(*http.Request) (any, *client.Problem) {
	return func(r *http.Request) (any, *client.Problem) {
		key, problem := f.find(r)
		if problem == nil && key.Status != from {
			problem = refusal(http.StatusConflict, "invalid_state", fmt.Sprintf("the key is %s; it must be %s", key.Status, from))
		}
		if problem != nil {
			return nil, problem
		}
		key.Status = to
		return key.view(), nil
	}
}

// ending reads what ends after a wait.
func ending(r *http.Request) (at string, dryRun bool, problem *client.Problem) {
	var body client.ScheduleEnd
	problem = decode(r, &body)
	at = "2026-12-02T09:30:00.000000Z"
	if body.WaitDays != nil {
		at = fmt.Sprintf("2026-11-%02dT09:30:00.000000Z", 2+*body.WaitDays)
	}
	return at, r.URL.Query().Get("dry_run") == "true", problem
}

func (f *fakeKMS) scheduleDeletion(r *http.Request) (any, *client.Problem) {
	key, problem := f.find(r)
	if problem != nil {
		return nil, problem
	}
	at, dryRun, problem := ending(r)
	if problem != nil {
		return nil, problem
	}
	if !dryRun {
		key.Status, key.DeleteAt = client.ElasticKeyStatusPendingDelete, &at
	}
	return client.DeletionPlan{
		ElasticKeyID: key.ID, DryRun: dryRun, Status: key.Status, DeleteAt: at, LastUsedAt: new("2026-11-01T09:30:00.000000Z"),
		Versions: []client.MaterialKey{key.version(1)},
	}, nil
}

func (f *fakeKMS) scheduleDestruction(r *http.Request) (any, *client.Problem) {
	key, n, problem := f.findVersion(r)
	if problem != nil {
		return nil, problem
	}
	at, dryRun, problem := ending(r)
	if problem != nil {
		return nil, problem
	}
	if !dryRun {
		key.states[n-1] = client.MaterialKeyStatusDestroyScheduled
	}
	return client.DestructionPlan{ElasticKeyID: key.ID, DryRun: dryRun, DestroyAt: at, Safe: n != key.PrimaryVersion, Version: key.version(n)}, nil
}

func (f *fakeKMS) findVersion(r *http.Request) (*fakeKey, int64, *client.Problem) {
	key, problem := f.find(r)
	if problem != nil {
		return nil, 0, problem
	}
	n, err := strconv.ParseInt(r.PathValue("version"), 10, 64)
	if err != nil || n < 1 || n > key.VersionCount {
		return nil, 0, refusal(http.StatusNotFound, "not_found", "no such version")
	}
	return key, n, nil
}

func (f *fakeKMS) getVersion(r *http.Request) (any, *client.Problem) {
	key, n, problem := f.findVersion(r)
	if problem != nil {
		return nil, problem
	}
	version := key.version(n)
	version.Uses = client.Uses{Count: 17, Bytes: 1712, LastUsedAt: new("2026-11-02T10:30:00.000000Z")}
	return version, nil
}

// moveVersion changes a version's state; "" makes it primary.
func (f *fakeKMS) moveVersion(to client.MaterialKeyStatus) func(*http.Request) (any, *client.Problem) {
	return func(r *http.Request) (any, *client.Problem) {
		key, n, problem := f.findVersion(r)
		switch {
		case problem != nil:
			return nil, problem
		case to == "":
			key.PrimaryVersion = n
		case key.states[n-1] == client.MaterialKeyStatusCompromised:
			return nil, refusal(http.StatusConflict, "invalid_state", "the version is compromised")
		default:
			key.states[n-1] = to
		}
		return key.version(n), nil
	}
}

func (f *fakeKMS) allVersions(r *http.Request) (any, *client.Problem) {
	var all []client.MaterialKey
	for _, key := range f.keys {
		for n := range key.VersionCount {
			version := key.version(n + 1)
			if wanted := r.URL.Query().Get("status"); wanted == "" || wanted == string(version.Status) {
				all = append(all, version)
			}
		}
	}
	items, next := page(r, all)
	return client.MaterialKeyPage{Items: items, NextCursor: next}, nil
}

func (f *fakeKMS) jwks(*http.Request) (any, *client.Problem) {
	return json.RawMessage(`{"keys":[{"kty":"EC","kid":"k.1"}]}`), nil
}

func (f *fakeKMS) algorithms(*http.Request) (any, *client.Problem) {
	return client.AlgorithmReport{GeneratedAt: "2026-11-02T09:30:00.000000Z", Items: []client.AlgorithmUse{
		{Algorithm: "A256GCM/RSA-OAEP-256", KeySize: new(2048), Keys: 2, Versions: client.VersionCounts{Enabled: 3, Compromised: 1}, OldVersionsReading: 1, UseCount: 1712, ByteCount: 90112},
		{Algorithm: "A256GCM/ECDH-ES", Curve: new("P-384"), Keys: 1, Versions: client.VersionCounts{Enabled: 1}, LastUsedAt: new("2026-11-02T09:30:00.000000Z")},
	}}, nil
}

// aliasView is an alias with its ETag.
type aliasView struct{ client.Alias }

func (v aliasView) tag() string { return strconv.Quote(v.ElasticKeyID) }

func viewOf(name, id string) aliasView {
	return aliasView{client.Alias{Name: name, ElasticKeyID: id, CreatedAt: "2026-11-02T09:30:00.000000Z", UpdatedAt: "2026-11-02T09:30:00.000000Z"}}
}

func (f *fakeKMS) keyCalled(name string) (*fakeKey, *client.Problem) {
	r := new(http.Request)
	r.SetPathValue("id", name)
	return f.find(r)
}

func (f *fakeKMS) createAlias(r *http.Request) (any, *client.Problem) {
	var body client.CreateAlias
	if problem := decode(r, &body); problem != nil {
		return nil, problem
	}
	if _, problem := f.keyCalled(body.Name); problem == nil {
		return nil, refusal(http.StatusConflict, "conflict", "the name is taken")
	}
	key, problem := f.keyCalled(body.Key)
	if problem != nil {
		return nil, problem
	}
	f.aliases[body.Name] = key.ID
	return viewOf(body.Name, key.ID), nil
}

func (f *fakeKMS) getAlias(r *http.Request) (any, *client.Problem) {
	id, ok := f.aliases[r.PathValue("alias")]
	if !ok {
		return nil, refusal(http.StatusNotFound, "not_found", "no such alias")
	}
	return viewOf(r.PathValue("alias"), id), nil
}

func (f *fakeKMS) moveAlias(r *http.Request) (any, *client.Problem) {
	now, problem := f.getAlias(r)
	if problem != nil {
		return nil, problem
	}
	if view, ok := now.(aliasView); !ok || r.Header.Get("If-Match") != view.tag() {
		return nil, refusal(http.StatusPreconditionFailed, "precondition_failed", "the resource has changed; read it again")
	}
	var body struct{ Key string }
	if problem := decode(r, &body); problem != nil {
		return nil, problem
	}
	key, problem := f.keyCalled(body.Key)
	if problem != nil {
		return nil, problem
	}
	f.aliases[r.PathValue("alias")] = key.ID
	return viewOf(r.PathValue("alias"), key.ID), nil
}

func (f *fakeKMS) listAliases(r *http.Request) (any, *client.Problem) {
	all := []client.Alias{}
	for name, id := range f.aliases {
		if key, problem := f.keyCalled(r.URL.Query().Get("key")); problem != nil || key.ID == id {
			all = append(all, viewOf(name, id).Alias)
		}
	}
	slices.SortFunc(all, func(a, b client.Alias) int { return strings.Compare(a.Name, b.Name) })
	items, next := page(r, all)
	return client.AliasPage{Items: items, NextCursor: next}, nil
}

func (f *fakeKMS) deleteAlias(r *http.Request) (any, *client.Problem) {
	if _, problem := f.getAlias(r); problem != nil {
		return nil, problem
	}
	delete(f.aliases, r.PathValue("alias"))
	return struct{}{}, nil
}

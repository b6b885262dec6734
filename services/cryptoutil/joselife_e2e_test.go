//go:build e2e

package cryptoutil_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// joseLife is what a client knows of the key that has its name in the JWK Authority.
type joseLife struct {
	there    bool
	imported bool
	status   string
	versions map[int64]string // status by number
}

func (l joseLife) clone() joseLife {
	l.versions = maps.Clone(l.versions)
	return l
}

// has tells whether a version is in a state.
func (l joseLife) has(status string) bool {
	return slices.Contains(slices.Collect(maps.Values(l.versions)), status)
}

// joseTurn is a change that the client asks for, and what the key is then; nil where the state forbids it.
type joseTurn struct {
	path  string
	body  any
	after func(joseLife) *joseLife
}

// joseTurns are all that can be asked for of the key of a name: number is the version that one of them is about, brought the JWK that is imported.
// A set may be kept for so long that no pending version takes over by itself.
func joseTurns(name string, number int64, brought json.RawMessage) map[string]joseTurn {
	path := "keys/" + name
	begin := func(imported bool) func(joseLife) *joseLife {
		return func(l joseLife) *joseLife {
			if l.there {
				return nil
			}
			return &joseLife{there: true, imported: imported, status: "active", versions: map[int64]string{1: "active"}}
		}
	}
	state := func(verb, from, to string) joseTurn {
		return joseTurn{path: path + "/" + verb, after: func(l joseLife) *joseLife {
			if !l.there || l.status != from {
				return nil
			}
			l.status = to
			return &l
		}}
	}
	return map[string]joseTurn{
		"generate": {path: "keys", body: map[string]any{"name": name, "algorithm": "ES256"}, after: begin(false)},
		"import":   {path: "keys/import", body: map[string]any{"name": name, "algorithm": "ES256", "jwk": brought}, after: begin(true)},
		"rotate": {path: path + "/rotate", after: func(l joseLife) *joseLife {
			if !l.there || l.status != "active" || l.has("pending") {
				return nil
			}
			l = l.clone()
			l.versions[int64(len(l.versions))+1] = "pending"
			return &l
		}},
		"rotate at once": {path: path + "/rotate", body: map[string]any{"immediate": true}, after: func(l joseLife) *joseLife {
			if !l.there || l.status != "active" {
				return nil
			}
			l = l.clone()
			for n, status := range l.versions {
				if status != "destroyed" {
					l.versions[n] = "retired"
				}
			}
			l.versions[int64(len(l.versions))+1] = "active"
			return &l
		}},
		"disable": state("disable", "active", "disabled"),
		"enable":  state("enable", "disabled", "active"),
		"destroy version": {path: fmt.Sprintf("%s/versions/%d/destroy", path, number), after: func(l joseLife) *joseLife {
			if status := l.versions[number]; !l.there || status != "pending" && status != "retired" {
				return nil
			}
			l = l.clone()
			l.versions[number] = "destroyed"
			return &l
		}},
		"destroy": {path: path + "/destroy", after: func(l joseLife) *joseLife {
			if !l.there {
				return nil
			}
			return &joseLife{}
		}},
	}
}

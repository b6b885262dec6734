package server

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"
)

// aliases are further paths at which programs find paths of the API (x-alias in the documents). A request for one becomes, before anything
// looks at it, the request for what it stands for: whatever holds for that holds for it, and nobody gets around anything.
type aliases struct {
	roots []string          // the first segments of all, "/jose/"
	mux   *chi.Mux          // finds the pattern of a path
	paths map[string]string // to the path of the document
}

// add lets a path of the API stand at another one too.
func (a *aliases) add(alias, path string) error {
	switch known, there := a.paths[alias]; {
	case there && known == path:
		return nil // another method of the path
	case there:
		return fmt.Errorf("the alias %s stands for %s and %s", alias, known, path)
	}
	root, err := aliasRoot(alias)
	if err != nil {
		return fmt.Errorf("the alias %s of %s: %w", alias, path, err)
	}
	own, theirs := parameterNames.FindAllString(alias, -1), parameterNames.FindAllString(path, -1)
	slices.Sort(own)
	slices.Sort(theirs)
	if !slices.Equal(own, theirs) {
		return fmt.Errorf("the alias %s of %s has other parameters", alias, path)
	}
	if a.mux == nil {
		a.mux, a.paths = chi.NewMux(), map[string]string{}
	}
	if !slices.Contains(a.roots, root) {
		a.roots = append(a.roots, root)
	}
	a.paths[alias] = path

	return addPattern(a.mux, http.MethodGet, alias)
}

// aliasRoot is the first segment of an alias, which must be nothing else's.
func aliasRoot(alias string) (string, error) {
	rest, ok := strings.CutPrefix(alias, "/")
	first, more, deeper := strings.Cut(rest, "/")
	switch {
	case !ok || !deeper || more == "" || first == "" || strings.ContainsAny(first, "{}*"):
		return "", errors.New("it needs a fixed first segment and something behind it")
	case slices.Contains([]string{"service", "browser", "t", ".well-known"}, first):
		return "", errors.New("its first segment is the platform's")
	}

	return "/" + first + "/", nil
}

// covers tells whether a path belongs to the aliases.
func (a *aliases) covers(path string) bool {
	return slices.ContainsFunc(a.roots, func(root string) bool { return strings.HasPrefix(path, root) })
}

// resolve returns the request that r stands for: r itself unless its path is an alias.
func (a *aliases) resolve(r *http.Request) *http.Request {
	if len(a.roots) == 0 || !a.covers(r.URL.Path) {
		return r
	}
	route := chi.NewRouteContext()
	path, there := a.paths[a.mux.Find(route, http.MethodGet, r.URL.EscapedPath())]
	if !there {
		return r
	}
	// What a parameter holds is taken over as it is on the wire: an escaped slash stays one.
	for i, name := range route.URLParams.Keys {
		path = strings.Replace(path, "{"+name+"}", route.URLParams.Values[i], 1)
	}
	path = "/service" + apiPath + path
	plain, err := url.PathUnescape(path)
	if err != nil {
		return r
	}
	target := *r.URL
	target.Path, target.RawPath = plain, path
	resolved := *r
	resolved.URL = &target

	return &resolved
}

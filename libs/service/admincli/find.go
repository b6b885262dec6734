package admincli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
)

// page is one page of a list.
type page struct {
	Items []map[string]any `json:"items"`
	Next  string           `json:"next_cursor"`
}

func decode[T any](body []byte) (T, error) {
	var into T
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if err := decoder.Decode(&into); err != nil {
		return into, fmt.Errorf("decode answer: %w", err)
	}
	return into, nil
}

// pages calls take with each item of a list until there are no more, or it says that it has enough.
func (c *client) pages(ctx context.Context, path string, query url.Values, limit int, take func(map[string]any) bool) error {
	ask := url.Values{"limit": {limitOf(limit)}}
	for name, values := range query {
		ask[name] = values
	}
	for {
		got, err := c.call(ctx, http.MethodGet, path, ask, nil)
		if err != nil {
			return err
		}
		p, err := decode[page](got.body)
		if err != nil {
			return err
		}
		for _, item := range p.Items {
			if !take(item) {
				return nil
			}
		}
		if p.Next == "" {
			return nil
		}
		ask.Set("cursor", p.Next)
	}
}

// identifier is what the API calls an ID.
var identifier = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// find turns a name into an id, where the API wants one.
func (c *client) find(ctx context.Context, l lookup, name string) (string, error) {
	if l.path == "" || identifier.MatchString(name) {
		return name, nil
	}
	query := url.Values{}
	if l.filter != "" {
		query.Set(l.filter, name)
	}
	var found []string
	err := c.pages(ctx, l.path, query, 0, func(item map[string]any) bool {
		if l.filter != "" || item[l.member] == name {
			found = append(found, fmt.Sprint(item["id"]))
		}
		return len(found) < 2
	})
	switch {
	case err != nil:
		return "", err
	case len(found) == 0:
		return "", fmt.Errorf("there is no %q; list shows what there is", name)
	case len(found) > 1:
		return "", fmt.Errorf("several are called %q; give the id that list shows", name)
	}
	return found[0], nil
}

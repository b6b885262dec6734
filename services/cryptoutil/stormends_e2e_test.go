//go:build e2e

package cryptoutil_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
)

// approver is a person who agrees to everything.
type approver struct {
	id, login string
	client    *client
}

const approversPassword = "a password that is long enough"

// people makes two approvers, who log in.
func (s *siege) people(t *testing.T) (all []approver) {
	t.Helper()
	c := s.landlord(t)
	for _, login := range []string{"anna", "ben"} {
		one := approver{id: c.done(http.MethodPost, "users", map[string]any{"login": login, "password": approversPassword}).text("id"), login: login}
		one.client = s.person(t, one)
		all = append(all, one)
	}
	return all
}

// of are the clients of people, in another test.
func of(t *testing.T, people []approver) (clients []*client) {
	t.Helper()
	for _, person := range people {
		own := *person.client
		own.t = t
		clients = append(clients, &own)
	}
	return clients
}

// person is a client that is logged in as an approver, and stays so whatever happens to the service.
func (s *siege) person(t *testing.T, who approver) *client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return s.client(t, func(i *installation) *api {
		a := i.api(t)
		a.base, a.client.Transport, a.client.Jar = i.public+"/browser/api/v1/", certificateAlone{a.client.Transport}, jar
		a.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		return a
	}).loggedIn(who)
}

var formTokens = regexp.MustCompile(`name="form_token" value="([^"]+)"`)

// loggedIn logs the person in by the pages.
func (c *client) loggedIn(who approver) *client {
	c.t.Helper()
	c.until(who.login+" is logged in", func() bool {
		page := "/t/default/browser/login"
		form := c.send(func(ctx context.Context, a *api) (reply, error) { return a.page(ctx, http.MethodGet, page, nil) }, "the form")
		found := formTokens.FindAllStringSubmatch(string(form.body), -1)
		if len(found) == 0 {
			return false
		}
		fill := url.Values{"form_token": {found[len(found)-1][1]}, "login": {who.login}, "password": {approversPassword}}
		got := c.send(func(ctx context.Context, a *api) (reply, error) { return a.page(ctx, http.MethodPost, page, fill) }, "the login")
		return got.status == http.StatusSeeOther && strings.Contains(got.header.Get("Location"), "/browser/account")
	})
	return c
}

// page reads or sends a page.
func (a *api) page(ctx context.Context, method, path string, form url.Values) (reply, error) {
	root, err := url.Parse(a.base)
	if err != nil {
		return reply{}, err
	}
	return a.raw(ctx, method, root.Scheme+"://"+root.Host+path, "application/x-www-form-urlencoded", []byte(form.Encode()), "Sec-Fetch-Site", "same-origin")
}

// approved has all of them agree to an operation on a key.
func (c *client) approved(people []*client, operation, key string, parameters map[string]any) (id string) {
	c.t.Helper()
	ask := map[string]any{"operation": operation, "resource": key, "reason": "a good one"}
	if parameters != nil {
		ask["parameters"] = parameters
	}
	id = c.done(http.MethodPost, "approvals", ask).text("id")
	for _, person := range people {
		person.done(http.MethodPost, "approvals/"+id+"/approve", nil)
	}
	return id
}

// rule is a policy that takes all of them.
func rule(people []approver) map[string]any {
	var ids []string
	for _, person := range people {
		ids = append(ids, person.id)
	}
	return map[string]any{"quorum": map[string]any{"approvals": len(ids), "approvers": ids}}
}

// endsEarly has versions destroyed and keys deleted by a quorum.
func (s *siege) endsEarly(t *testing.T, people []approver) {
	c := s.landlord(t)
	voters := of(t, people)
	gone := map[string]string{} // messages by key, whose version is destroyed
	for turn := 0; !s.ended() && !t.Failed(); turn++ {
		key := c.done(http.MethodPost, "elastic-keys", map[string]any{"name": fmt.Sprintf("ending-%d", turn), "algorithm": "A256GCM/A256KW", "policy": rule(people)}).text("id")
		path := "elastic-keys/" + key
		first := c.done(http.MethodPost, path+"/encrypt", map[string]any{"plaintext": "aGVsbG8"}).text("ciphertext")
		c.done(http.MethodPost, path+"/rotate", nil)
		second := c.done(http.MethodPost, path+"/encrypt", map[string]any{"plaintext": "aGVsbG8"}).text("ciphertext")
		c.done(http.MethodPost, path+"/material-keys/1/schedule-destruction", map[string]any{"wait_days": 7})
		approval := c.approved(voters, "destroyMaterialKey", key, map[string]any{"version": "1"})
		assert.Equal(t, "destroyed", c.done(http.MethodPost, path+"/material-keys/1/destroy", nil, "Approval", approval).text("status"))
		c.refused("invalid_state", path+"/decrypt", map[string]any{"ciphertext": first})
		c.refused("invalid_state", path+"/material-keys/1/destroy", nil, "Approval", approval)
		c.refused("invalid_state", path+"/material-keys/1/restore", nil)
		assert.Equal(t, "aGVsbG8", c.done(http.MethodPost, path+"/decrypt", map[string]any{"ciphertext": second}).text("plaintext"))
		if turn%2 == 0 {
			gone[key] = first
			continue
		}
		c.done(http.MethodPost, path+"/schedule-deletion", map[string]any{"wait_days": 7})
		approval = c.approved(voters, "deleteElasticKey", key, nil)
		assert.Equal(t, "deleted", c.done(http.MethodPost, path+"/delete", nil, "Approval", approval).text("status"))
		assert.Equal(t, http.StatusNotFound, c.ask(http.MethodGet, path, nil).status)
		assert.NotEqual(t, http.StatusOK, c.ask(http.MethodPost, path+"/decrypt", map[string]any{"ciphertext": second}).status)
	}
	for key, message := range gone {
		c.refused("invalid_state", "elastic-keys/"+key+"/decrypt", map[string]any{"ciphertext": message})
	}
}

// endsDue has the service bring about ends whose time has come.
func (s *siege) endsDue(t *testing.T) {
	c := s.landlord(t)
	for turn := 0; !s.ended() && !t.Failed(); turn++ {
		var keys []string
		for n := range 4 {
			key := c.done(http.MethodPost, "elastic-keys", map[string]any{"name": fmt.Sprintf("due-%d-%d", turn, n), "algorithm": "A256GCM/A256KW"}).text("id")
			c.done(http.MethodPost, "elastic-keys/"+key+"/rotate", nil)
			c.done(http.MethodPost, "elastic-keys/"+key+"/material-keys/1/schedule-destruction", map[string]any{"wait_days": 7})
			if n == 0 {
				c.done(http.MethodPost, "elastic-keys/"+key+"/schedule-deletion", map[string]any{"wait_days": 7})
			}
			keys = append(keys, key)
		}
		if !s.whenStill(func(ctx context.Context, db *database.DB) error {
			past := database.Micros(time.Now().Add(-time.Hour))
			for _, key := range keys {
				if _, err := db.Exec(ctx, "UPDATE material_keys SET destroy_at = $1 WHERE elastic_key_id = $2 AND status = 'destroy_scheduled'", past, key); err != nil {
					return err
				}
			}
			_, err := db.Exec(ctx, "UPDATE elastic_keys SET delete_at = $1 WHERE id = $2 AND status = 'pending_delete'", past, keys[0])
			return err
		}) {
			return
		}
		c.until("the key is deleted", func() bool { return c.ask(http.MethodGet, "elastic-keys/"+keys[0], nil).status == http.StatusNotFound })
		for _, key := range keys[1:] {
			c.until("the version is destroyed", func() bool {
				return c.done(http.MethodGet, "elastic-keys/"+key+"/material-keys/1", nil).text("status") == "destroyed"
			})
			c.done(http.MethodPost, "elastic-keys/"+key+"/encrypt", map[string]any{"plaintext": "aGVsbG8"})
		}
	}
}

package kmstest

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	platform "github.com/cryptoutil/cryptoutil/libs/service"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/sqlstore"
)

// Approver is a person who agrees to everything.
type Approver struct {
	ID   string
	HTTP *http.Client
}

// Rule is a policy that takes all of them.
func Rule(people []Approver) map[string]any {
	var ids []string
	for _, person := range people {
		ids = append(ids, person.ID)
	}
	return map[string]any{"quorum": map[string]any{"approvals": len(ids), "approvers": ids}}
}

// Court is a service on two replicas, with people who approve and a program that asks.
type Court struct {
	First, Second *Service // as an administrator with a certificate sees them
	DB            *database.DB
	Store         *sqlstore.Store // that seals what set has written
	People        map[string]*Browser
	IDs           map[string]string
	Token         string // may destroy and write
}

// EachCourt runs test on every engine, each time with a court of its own.
func EachCourt(t *testing.T, test func(t *testing.T, c Court)) {
	t.Helper()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			cfg, files := Prepare(t, engine)
			certificate := Administer(t, &cfg)
			c := Court{People: map[string]*Browser{}, IDs: map[string]string{}}
			logs := &LogBuffer{}
			first := runProgram(t, shown(func(p *platform.Platform) { c.Store = sqlstore.New(p.DB, p.Barrier, nil) }), cfg, files, logs)
			first.Logs = logs
			c.First = first.As(t, certificate)
			c.Second = Run(t, cfg, files).As(t, certificate)
			var err error
			c.DB, err = database.Open(t.Context(), cfg.Database, dbtest.Options(t))
			require.NoError(t, err)
			t.Cleanup(func() { assert.NoError(t, c.DB.Close()) })
			for _, name := range []string{"anna", "ben", "carl", "dora"} {
				c.IDs[name] = c.First.Ask(t, http.MethodPost, "users", map[string]any{"login": name, "password": EstatePassword}).Done(t, http.StatusCreated).Member(t, "id")
				c.People[name] = LogIn(t, c.First, "default", name)
			}
			c.Token = c.First.Token(t, "default", "destroyer", "kms:destroy", "kms:write", "kms:read")
			require.Eventually(t, func() bool {
				return c.Second.Call(t, c.Token, http.MethodGet, "self", nil).Status == http.StatusOK
			}, 10*time.Second, 10*time.Millisecond, "the other replica has read the realm file")
			test(t, c)
		})
	}
}

// Requested asks for approval by the token.
func (c Court) Requested(t *testing.T, operation, key string, parameters map[string]any) string {
	t.Helper()
	body := map[string]any{"operation": operation, "resource": key, "reason": "a good one"}
	if parameters != nil {
		body["parameters"] = parameters
	}
	got := c.First.Call(t, c.Token, http.MethodPost, "approvals", body).Done(t, http.StatusCreated)
	assert.Equal(t, "pending", got.Member(t, "state"))
	return got.Member(t, "id")
}

// Vote is what a person says of a request, on the second replica.
func (c Court) Vote(t *testing.T, person, id, verdict string) Answer {
	t.Helper()
	return c.People[person].Send(t, c.First.Request(t, "", http.MethodPost, "/browser/api/v1/approvals/"+id+"/"+verdict, nil))
}

// Approved has two people approve an operation and returns the id of the approval.
func (c Court) Approved(t *testing.T, operation, key string, parameters map[string]any) string {
	t.Helper()
	id := c.Requested(t, operation, key, parameters)
	c.Vote(t, "anna", id, "approve").Done(t, http.StatusOK)
	assert.Equal(t, "approved", c.Vote(t, "ben", id, "approve").Done(t, http.StatusOK).Member(t, "state"))
	return id
}

//go:build e2e

package cryptoutil_test

import (
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// person is somebody with a password, logged in with a browser.
type person struct {
	*api

	id string
}

// person makes somebody by the command line and logs in by the pages.
func (d desk) person(t *testing.T, login string) person {
	t.Helper()
	const password = "correct horse battery staple"
	d.write(t, login+".password", password+"\n")
	var made struct{ ID string }
	require.NoError(t, json.Unmarshal([]byte(d.do(t, "", "user create --login "+login+" --password-file "+login+".password --output json")), &made))
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	a := d.api(t)
	a.base, a.client.Transport, a.client.Jar = d.public+"/browser/api/v1/", certificateAlone{a.client.Transport}, jar
	a.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	const page = "/t/default/browser/login"
	form, err := a.page(t.Context(), http.MethodGet, page, nil)
	require.NoError(t, err)
	token := formTokens.FindSubmatch(form.body)
	require.NotNil(t, token)
	got, err := a.page(t.Context(), http.MethodPost, page, url.Values{"form_token": {string(token[1])}, "login": {login}, "password": {password}})
	require.NoError(t, err)
	require.Equal(t, http.StatusSeeOther, got.status)
	return person{api: a, id: made.ID}
}

// approve says yes to a request.
func (p person) approve(t *testing.T, id string) {
	t.Helper()
	got, err := p.do(t.Context(), http.MethodPost, "approvals/"+id+"/approve", nil, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, got.status, "%s", got.body)
}

// What takes a quorum is asked for, approved by people and then done, once, by the command line.
func TestKeyOperations_ThatTakeAQuorum(t *testing.T) {
	t.Parallel()
	d := dev(t, filepath.Join(t.TempDir(), "data")).desk(t)
	ada, ben := d.person(t, "ada"), d.person(t, "ben")
	quorum := " --quorum 2 --approvers " + ada.id + "," + ben.id
	d.do(t, "", "key create --name payroll --algorithm ES256 --exportable"+quorum)
	d.do(t, "", "recipient create --private-key custody.pem --public-key custody.pub")
	d.do(t, "", "recipient create --private-key other.pem --public-key other.pub")
	asked := func(line string) string {
		id := strings.TrimSpace(d.do(t, "", "approval request "+line+" --reason tests"))
		assert.Contains(t, d.do(t, "", "approval list --state pending"), id)
		return id
	}
	approved := func(line string) string {
		id := asked(line)
		ada.approve(t, id)
		assert.Contains(t, d.do(t, "", "approval get "+id), "1 of 2")
		ben.approve(t, id)
		return id
	}

	d.fails(t, "", "key export payroll --recipient custody.pub", 1, "ask the key's quorum with `approval request`")
	id := approved("exportElasticKey payroll --version 1 --recipient custody.pub")
	d.fails(t, "", "key export payroll --recipient other.pub --approval "+id, 1, "`approval list` shows your requests")
	d.do(t, "", "key export payroll --recipient custody.pub --out payroll.jwe --approval "+id)
	d.do(t, "", "recipient open --private-key custody.pem --in payroll.jwe --format pem --out payroll.pem")
	assert.Equal(t, d.do(t, "", "key public payroll"), d.openssl(t, "", "pkey -in payroll.pem -pubout"))
	d.fails(t, "", "key export payroll --recipient custody.pub --approval "+id, 1, "approval_not_usable")

	d.fails(t, "", "backup key payroll --recipient custody.pub --out x", 1, "approval_required")
	d.fails(t, "", "backup tenant --recipient custody.pub --out x", 1, "approval_required")
	id = approved("backupElasticKey payroll --recipient custody.pub")
	d.do(t, "", "backup key payroll --recipient custody.pub --out payroll.backup --approval "+id)
	assert.Contains(t, d.do(t, "", "backup check --in payroll.backup --private-key custody.pem"), "Whole     yes\n")
	d.absent(t, "x")

	d.run(t, "key", "rotate", "payroll")
	d.do(t, "", "key version destroy payroll 1 --wait-days 7")
	id = approved("destroyMaterialKey payroll --version 1")
	d.fails(t, "", "key delete payroll --now --approval "+id, 1, "")
	assert.Equal(t, "version 1 of key payroll is destroyed\n", d.do(t, "", "key version destroy payroll 1 --now --approval "+id))

	d.do(t, "", "key delete payroll --wait-days 7")
	id = asked("deleteElasticKey payroll")
	ada.approve(t, id)
	d.fails(t, "", "key delete payroll --now --approval "+id, 1, "approval")
	ben.approve(t, id)
	assert.Equal(t, "key payroll is deleted\n", d.do(t, "", "key delete payroll --now --approval "+id))
	assert.Contains(t, d.do(t, "", "approval get "+id), "used")
	assert.Contains(t, d.do(t, "", "approval cancel "+weakening(t, d, quorum)), "cancelled")
}

// weakening asks for the weakening of another key's quorum.
func weakening(t *testing.T, d desk, quorum string) string {
	t.Helper()
	d.do(t, "", "key create --name other --algorithm ES256"+quorum)
	d.fails(t, "", "key update other --quorum 0", 1, "approval_required")
	return strings.TrimSpace(d.do(t, "", `approval request updateElasticKey other --parameters {"quorum":null} --reason tests`))
}

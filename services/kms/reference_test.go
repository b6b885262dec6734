package kms_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/server/contract"
)

// anonymous asks without any credential.
func (s *service) anonymous(t *testing.T, path string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+path, http.NoBody)
	require.NoError(t, err)
	got, err := s.exchange(request)
	require.NoError(t, err)
	return got
}

// The reference has every operation that the service serves, to anybody, and the documents are whole enough to be read again.
func TestReference_HasEverythingThatIsServed(t *testing.T) {
	t.Parallel()
	cfg, files := prepare(t, database.EngineSQLite)
	s := run(t, cfg, files)
	page := s.anonymous(t, "/reference")
	require.Equal(t, http.StatusOK, page.status)
	has := func(id string) {
		if !strings.Contains(string(page.body), ` id="`+id+`"`) {
			t.Errorf("the page has no %s", id)
		}
	}
	for _, op := range operations(t) {
		has(op.ID)
	}
	links := regexp.MustCompile(` href="(#[^"]+)"`).FindAllStringSubmatch(string(page.body), -1)
	for _, link := range links {
		has(link[1][1:])
	}
	documents := regexp.MustCompile(` href="(/reference/[a-z]+\.yaml)"`).FindAllStringSubmatch(string(page.body), -1)
	assert.Len(t, documents, 4)
	for _, document := range documents {
		text := s.anonymous(t, document[1])
		require.Equal(t, http.StatusOK, text.status, document[1])
		_, err := contract.LoadFor("kms", text.body)
		require.NoError(t, err, document[1])
	}
}

func TestReference_CanBeSwitchedOff(t *testing.T) {
	t.Parallel()
	cfg, files := prepare(t, database.EngineSQLite)
	cfg.Features.Reference = false
	s := run(t, cfg, files)
	for _, path := range []string{"/reference", "/reference/kms.yaml", "/reference/style.css"} {
		assert.Equal(t, http.StatusNotFound, s.anonymous(t, path).status, path)
	}
}

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

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// anonymous asks without any credential.
func anonymous(t *testing.T, s *kmstest.Service, path string) kmstest.Answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+path, http.NoBody)
	require.NoError(t, err)
	got, err := s.Exchange(request)
	require.NoError(t, err)
	return got
}

// The reference has every operation that the service serves, to anybody, and the documents are whole enough to be read again.
func TestReference_HasEverythingThatIsServed(t *testing.T) {
	t.Parallel()
	cfg, files := kmstest.Prepare(t, database.EngineSQLite)
	s := kmstest.Run(t, cfg, files)
	page := anonymous(t, s, "/reference")
	require.Equal(t, http.StatusOK, page.Status)
	has := func(id string) {
		if !strings.Contains(string(page.Body), ` id="`+id+`"`) {
			t.Errorf("the page has no %s", id)
		}
	}
	for _, op := range kmstest.Operations(t) {
		has(op.ID)
	}
	links := regexp.MustCompile(` href="(#[^"]+)"`).FindAllStringSubmatch(string(page.Body), -1)
	for _, link := range links {
		has(link[1][1:])
	}
	documents := regexp.MustCompile(` href="(/reference/[a-z]+\.yaml)"`).FindAllStringSubmatch(string(page.Body), -1)
	assert.Len(t, documents, 4)
	for _, document := range documents {
		text := anonymous(t, s, document[1])
		require.Equal(t, http.StatusOK, text.Status, document[1])
		_, err := contract.LoadFor("kms", text.Body)
		require.NoError(t, err, document[1])
	}
}

func TestReference_CanBeSwitchedOff(t *testing.T) {
	t.Parallel()
	cfg, files := kmstest.Prepare(t, database.EngineSQLite)
	cfg.Features.Reference = false
	s := kmstest.Run(t, cfg, files)
	for _, path := range []string{"/reference", "/reference/kms.yaml", "/reference/style.css"} {
		assert.Equal(t, http.StatusNotFound, anonymous(t, s, path).Status, path)
	}
}

package wording_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/server/internal/wording"
)

func TestMain(m *testing.M) {
	fips.Require()
	os.Exit(m.Run())
}

func TestSentences(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		wording.Type(nil):                        "is not valid",
		wording.Type([]string{"string"}):         "must be a string",
		wording.Type([]string{"array", "null"}):  "must be an array or null",
		wording.Type([]string{"integer"}):        "must be an integer",
		wording.Type([]string{"object"}):         "must be an object",
		wording.Type([]string{"number", "bool"}): "must be a number or a bool",
		wording.Enum([]string{"a", "b"}):         "must be one of a, b",
		wording.Pattern("^a$"):                   "must match ^a$",
		wording.Format("uuid"):                   "must have the format uuid",
		wording.MinLength(1):                     "must have at least 1 character",
		wording.MaxLength(2):                     "must have at most 2 characters",
		wording.MinItems(2):                      "must have at least 2 items",
		wording.MaxItems(1):                      "must have at most 1 item",
		wording.MinMembers(1):                    "must have at least 1 member",
		wording.MaxMembers(0):                    "must have at most 0 members",
		wording.Minimum("1", false):              "must be at least 1",
		wording.Minimum("1", true):               "must be more than 1",
		wording.Maximum("1", false):              "must be at most 1",
		wording.Maximum("1", true):               "must be less than 1",
		wording.MultipleOf("0.5"):                "must be a multiple of 0.5",
	} {
		assert.Equal(t, want, got)
	}
}

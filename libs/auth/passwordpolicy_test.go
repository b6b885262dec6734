package auth_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cryptoutil/cryptoutil/libs/auth"
)

func TestCheckPassword(t *testing.T) {
	t.Parallel()
	for good, names := range map[string][]string{password: {"ada"}, "zwölf Boxkämpfer jagen": nil, "ada lovelace was first": {"ada"}} {
		assert.NoError(t, auth.CheckPassword(good, names...), good)
	}
	for why, bad := range map[string]string{
		"short": "fourteen chars", "one character": strings.Repeat("a", 20), "control": "correct horse\x00 battery", "no UTF-8": password + "\xff",
		"long": strings.Repeat("abcdefgh", 129), "the name": "ada.lovelace@example.org",
	} {
		assert.Equal(t, "validation_failed", code(auth.CheckPassword(bad, "ada.lovelace@example.org")), why)
	}
	assert.Equal(t, auth.PreparePassword("p\u00e9che"), auth.PreparePassword("pe\u0301che"), "one text, two ways to type it")
	assert.Equal(t, auth.PreparePassword("a b"), auth.PreparePassword("a\u00a0b"))
}

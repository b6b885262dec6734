package sdjwt_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/sdjwt"
)

// FuzzParse feeds tokens: no panic, a text that is accepted is the only one of its token, and what is
// presented of it can be presented again.
func FuzzParse(f *testing.F) {
	f.Add(strings.Join([]string{rfcJWT, rfcFamilyName, rfcAddress, rfcGivenName, rfcUS, rfcKeyBinding}, "~"))
	f.Add(rfcJWT + "~" + rfcDE + "~")
	nested := encode(`["s","m",{"n":1,"_sd":["` + digest(encode(`["s","x",[]]`)) + `"]}]`)
	f.Add("." + encode(`{"_sd":["`+digest(nested)+`"],"l":[{"...":"x"},[{"...":"y"}]],"_sd_alg":"sha-256"}`) + ".~" + nested + "~" + encode(`["s","x",[]]`) + "~")
	f.Fuzz(func(t *testing.T, text string) {
		token, err := sdjwt.Parse(text)
		if err != nil {
			return
		}
		require.Equal(t, text, token.String())
		paths, err := token.Paths()
		if err != nil {
			return
		}
		require.Len(t, paths, len(token.Disclosures))
		if token.KeyBinding == "" {
			again, err := token.Present(func(string) bool { return true })
			require.NoError(t, err)
			require.Equal(t, text, again.String())
		}
	})
}

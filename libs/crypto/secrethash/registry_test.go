package secrethash_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/secrethash"
)

func TestRegistries_AgreeWithAnotherImplementation(t *testing.T) {
	t.Parallel()
	set := open(t, secrethash.Config{Peppers: peppers()})
	for _, v := range vectors(t) {
		t.Run(fmt.Sprintf("%s/%d/%d", v.Kind, v.Version, len(v.Input)), func(t *testing.T) {
			t.Parallel()
			r := set.Registry(v.Kind)
			if v.Kind != secrethash.LowEntropyDeterministic { // which costs as much again
				assert.Equal(t, secrethash.Result{Match: true, Rehash: v.Version != 3}, verify(t, r, v.Input, v.Text))
			}
			if strings.HasSuffix(string(v.Kind), "deterministic") {
				text, err := r.HashWithVersion(t.Context(), v.Version, []byte(v.Input))
				require.NoError(t, err)
				assert.Equal(t, v.Text, text)
			}
		})
	}
}

// A hash from before the registries were four, made with OpenSSL.
func TestHighEntropyRandom_VerifiesWhatIsStoredAlready(t *testing.T) {
	t.Parallel()
	const text = "{3}:HKDF-HMAC-SHA384:salt=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8:kMcFqguYb9E3WLKbwrYvVCJrbkZZ3kFqPOx685U1ebZKtcdJ7-mb4JkNZcJvrILz"
	r, err := secrethash.New(secrethash.Config{Peppers: map[int][]byte{3: peppers()[3]}})
	require.NoError(t, err)
	assert.Equal(t, secrethash.Result{Match: true}, verify(t, r, secret32, text))
	assert.Equal(t, secrethash.Result{}, verify(t, r, secret32+"x", text))
}

func TestHash_IsSaltedOrNot(t *testing.T) {
	t.Parallel()
	for kind, deterministic := range map[secrethash.Kind]bool{
		secrethash.LowEntropyRandom: false, secrethash.LowEntropyDeterministic: true,
		secrethash.HighEntropyRandom: false, secrethash.HighEntropyDeterministic: true,
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			r := registry(t, kind)
			first, second := hash(t, r, secret32), hash(t, r, secret32)
			assert.Equal(t, deterministic, first == second)
			assert.Equal(t, deterministic, !strings.Contains(first, "salt="))
			assert.Equal(t, secrethash.Result{Match: true}, verify(t, r, secret32, first))
			assert.Equal(t, secrethash.Result{}, verify(t, r, "", first), "wrong, not an error")
		})
	}
}

func TestHash_SelectsTheFunctionByLengthOnlyWhereThatIsOn(t *testing.T) {
	t.Parallel()
	r := registry(t, secrethash.HighEntropyRandom)
	fixed := open(t, config(secrethash.HighEntropyRandom, func(c *secrethash.RegistryConfig) { c.SelectBySize = false })).Registry(secrethash.HighEntropyRandom)
	for _, c := range []struct {
		size  int
		label string
	}{{16, "SHA256"}, {31, "SHA256"}, {32, "SHA384"}, {47, "SHA384"}, {48, "SHA512"}, {500, "SHA512"}} {
		secret := string(randomBytes(t, c.size))
		assert.True(t, strings.HasPrefix(hash(t, r, secret), "{3}:HKDF-HMAC-"+c.label+":salt="))
		assert.True(t, strings.HasPrefix(hash(t, fixed, secret), "{3}:HKDF-HMAC-SHA512:salt="))
	}
	passwords := registry(t, secrethash.LowEntropyRandom)
	short, long := hash(t, passwords, "x"), hash(t, passwords, strings.Repeat("x", 100))
	assert.True(t, strings.HasPrefix(short, "{3}:PBKDF2-HMAC-SHA512:rounds=220000,salt="))
	assert.Len(t, long, len(short), "the text says nothing of the password's length")
}

func TestVerify_SaysWhenToRehash(t *testing.T) {
	t.Parallel()
	type change = func(*secrethash.RegistryConfig)
	for name, c := range map[string]struct {
		kind   secrethash.Kind
		change change
	}{
		"rounds": {secrethash.LowEntropyRandom, func(c *secrethash.RegistryConfig) { c.Versions[2].Rounds++ }},
		"salt":   {secrethash.HighEntropyRandom, func(c *secrethash.RegistryConfig) { c.Versions[2].SaltBytes++ }},
		"length": {secrethash.HighEntropyRandom, func(c *secrethash.RegistryConfig) { c.SelectBySize = false }},
		"current": {secrethash.HighEntropyDeterministic, func(c *secrethash.RegistryConfig) {
			c.Versions = append(c.Versions, secrethash.Version{Version: 4, Hash: "SHA-512", SaltBytes: 32, Info: "new"})
			c.Current = 4
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := known(t, c.kind)
			changed := config(c.kind, c.change)
			if changed.Registries[c.kind].Current == 4 {
				changed.Peppers[4] = randomBytes(t, 32)
			}
			r := open(t, changed).Registry(c.kind)
			assert.Equal(t, secrethash.Result{Match: true, Rehash: true}, verify(t, r, secret16, text))
			if c.kind != secrethash.LowEntropyRandom {
				assert.Equal(t, secrethash.Result{}, verify(t, r, "not "+secret16, text), "what does not match is not replaced")
				assert.Equal(t, secrethash.Result{Match: true}, verify(t, r, secret16, hash(t, r, secret16)))
			}
		})
	}
}

func TestHash_PeppersAreBoundToTheirVersion(t *testing.T) {
	t.Parallel()
	text := hash(t, registry(t, secrethash.HighEntropyRandom), secret32)
	exchanged := peppers()
	exchanged[3], exchanged[2] = exchanged[2], exchanged[3]
	r := open(t, secrethash.Config{Peppers: exchanged}).Registry(secrethash.HighEntropyRandom)
	assert.False(t, verify(t, r, secret32, text).Match)

	same := open(t, secrethash.Config{Peppers: map[int][]byte{2: peppers()[3], 3: peppers()[3]}}).Registry(secrethash.HighEntropyRandom)
	assert.False(t, verify(t, same, secret32, "{2}"+text[len("{3}"):]).Match, "nor does it match under another version's number")
}

func TestRegistries_AreSeparate(t *testing.T) {
	t.Parallel()
	set := open(t, secrethash.Config{Peppers: peppers()})
	for _, from := range secrethash.Kinds() {
		text := known(t, from)
		for _, to := range secrethash.Kinds() {
			if result, err := set.Registry(to).Verify(t.Context(), []byte(secret16), text); from != to && err == nil {
				assert.Equal(t, secrethash.Result{}, result, "%s as %s", from, to)
			}
		}
	}
	assert.Nil(t, set.Registry("unknown"))
}

func TestRegistry_RefusesVersionsItDoesNotHave(t *testing.T) {
	t.Parallel()
	r := open(t, secrethash.Config{Peppers: map[int][]byte{3: peppers()[3]}}).Registry(secrethash.HighEntropyRandom)
	for _, version := range []int{-1, 0, 1, 2, 4} {
		_, err := r.HashWithVersion(t.Context(), version, randomBytes(t, 32))
		require.ErrorIs(t, err, secrethash.ErrUnknownVersion)
	}
	for _, v := range vectors(t) {
		if v.Kind == secrethash.HighEntropyRandom && v.Version != 3 {
			_, err := r.Verify(t.Context(), []byte(v.Input), v.Text)
			require.ErrorIs(t, err, secrethash.ErrUnknownVersion)
			require.ErrorIs(t, r.Check(v.Text), secrethash.ErrUnknownVersion)
		}
	}
}

func TestHash_RefusesWhatIsTooShort(t *testing.T) {
	t.Parallel()
	set := open(t, secrethash.Config{Peppers: peppers()})
	for _, kind := range secrethash.Kinds() {
		_, err := set.Registry(kind).Hash(t.Context(), nil)
		require.ErrorContains(t, err, "empty")
	}
	_, err := set.Registry(secrethash.HighEntropyRandom).Hash(t.Context(), randomBytes(t, 15))
	require.ErrorContains(t, err, "15 bytes")
	_, err = set.Registry(secrethash.HighEntropyDeterministic).Hash(t.Context(), randomBytes(t, 15))
	require.ErrorContains(t, err, "15 bytes")
}

func TestOpen_KeepsItsOwnCopyOfThePeppers(t *testing.T) {
	t.Parallel()
	given := peppers()
	r := open(t, secrethash.Config{Peppers: given}).Registry(secrethash.HighEntropyRandom)
	text := hash(t, r, secret32)
	clear(given[3])
	assert.True(t, verify(t, r, secret32, text).Match)
}

func TestDev_WorksWithoutPeppers(t *testing.T) {
	t.Parallel()
	text := hash(t, open(t, secrethash.Config{Dev: true}).Registry(secrethash.HighEntropyDeterministic), secret32)
	assert.True(t, verify(t, open(t, secrethash.Config{Dev: true}).Registry(secrethash.HighEntropyDeterministic), secret32, text).Match)
	assert.False(t, verify(t, registry(t, secrethash.HighEntropyDeterministic), secret32, text).Match)
}

// TestHash_BoundsWhatRunsAtATime fills the only place with a long computation of another registry.
func TestHash_BoundsWhatRunsAtATime(t *testing.T) {
	t.Parallel()
	c := config(secrethash.LowEntropyDeterministic, func(c *secrethash.RegistryConfig) { c.Versions[2].Rounds = 1_000_000 })
	c.Concurrency = 1
	set := open(t, c)
	var long sync.WaitGroup
	long.Go(func() { _ = hash(t, set.Registry(secrethash.LowEntropyDeterministic), "long") })
	defer long.Wait()
	waited := func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		return set.Registry(secrethash.LowEntropyRandom).Spend(ctx, []byte("short")) != nil
	}
	require.Eventually(t, waited, 10*time.Second, time.Millisecond, "the second computation did not wait")
	_ = hash(t, set.Registry(secrethash.HighEntropyRandom), secret32) // what is fast does not wait

	ended, end := context.WithCancel(t.Context())
	end()
	_, err := set.Registry(secrethash.LowEntropyRandom).Verify(ended, []byte("x"), vectors(t)[2].Text)
	require.ErrorIs(t, err, context.Canceled)
}

func TestRegistry_HidesPeppers(t *testing.T) {
	t.Parallel()
	set := open(t, secrethash.Config{Peppers: peppers()})
	r := set.Registry(secrethash.HighEntropyRandom)
	for _, shown := range []string{
		fmt.Sprint(r), fmt.Sprintf("%+v %#v", r, r), r.LogValue().String(), fmt.Sprint(set), fmt.Sprintf("%+v %#v", set, set), set.LogValue().String(),
	} {
		assert.NotContains(t, shown, "pepper of")
		assert.NotContains(t, shown, "112 101 112")
		assert.NotContains(t, shown, "0x70, 0x65")
	}
	assert.Contains(t, r.String(), "current 3")
}

func BenchmarkVerify(b *testing.B) {
	set := open(b, secrethash.Config{Dev: true})
	for _, kind := range secrethash.Kinds() {
		r := set.Registry(kind)
		text, input := hash(b, r, secret32), bytes.Clone([]byte(secret32))
		b.Run(string(kind), func(b *testing.B) {
			for b.Loop() {
				if result, _ := r.Verify(b.Context(), input, text); !result.Match {
					b.Fatal("no match")
				}
			}
		})
	}
}

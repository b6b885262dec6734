package secrethash_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/secrethash"
)

func TestDefaults_AreTheTwelvePolicies(t *testing.T) {
	t.Parallel()
	defaults := secrethash.Defaults()
	require.Len(t, defaults, 4)
	infos := map[string]bool{}
	for kind, c := range defaults {
		slow := kind == secrethash.LowEntropyRandom || kind == secrethash.LowEntropyDeterministic
		assert.Equal(t, 3, c.Current)
		assert.Equal(t, !slow, c.SelectBySize)
		require.Len(t, c.Versions, 3)
		for i, want := range []secrethash.Version{
			{Version: 1, Hash: "SHA-256", Rounds: 600_000, SaltBytes: 16},
			{Version: 2, Hash: "SHA-384", Rounds: 600_000, SaltBytes: 24},
			{Version: 3, Hash: "SHA-512", Rounds: 220_000, SaltBytes: 32},
		} {
			infos[c.Versions[i].Info] = true
			want.Info = c.Versions[i].Info
			if !slow {
				want.Rounds = 0
			}
			assert.Equal(t, want, c.Versions[i])
		}
	}
	assert.Len(t, infos, 12, "each has its own info")
	assert.Empty(t, secrethash.Config{Peppers: peppers()}.Validate())
}

func TestOpen_ReportsEverythingThatIsBelowTheFloors(t *testing.T) {
	t.Parallel()
	version := func(kind secrethash.Kind, change func(*secrethash.Version)) secrethash.Config {
		return config(kind, func(c *secrethash.RegistryConfig) { change(&c.Versions[2]) })
	}
	const low, high = secrethash.LowEntropyRandom, secrethash.HighEntropyDeterministic
	for path, c := range map[string]secrethash.Config{
		"peppers.3: the current version of":                   {Peppers: map[int][]byte{1: peppers()[1]}},
		"peppers.1: has 31 bytes":                             {Peppers: map[int][]byte{1: make([]byte, 31), 3: peppers()[3]}},
		"peppers.9: no registry has this version":             {Peppers: map[int][]byte{3: peppers()[3], 9: peppers()[3]}},
		"concurrency: -1":                                     {Peppers: peppers(), Concurrency: -1},
		"registries.medium: is not a registry":                config("medium", func(*secrethash.RegistryConfig) {}),
		"low_entropy_random.versions[2].rounds: 219999":       version(low, func(v *secrethash.Version) { v.Rounds = 219_999 }),
		"low_entropy_random.versions[2].rounds: 220000":       version(low, func(v *secrethash.Version) { v.Hash = "SHA-256" }),
		"low_entropy_random.versions[2].rounds: 10000001":     version(low, func(v *secrethash.Version) { v.Rounds = 10_000_001 }),
		"high_entropy_deterministic.versions[2].rounds: are":  version(high, func(v *secrethash.Version) { v.Rounds = 600_000 }),
		"low_entropy_random.versions[2].salt_bytes: 15":       version(low, func(v *secrethash.Version) { v.SaltBytes = 15 }),
		"low_entropy_random.versions[2].salt_bytes: 65":       version(low, func(v *secrethash.Version) { v.SaltBytes = 65 }),
		`low_entropy_random.versions[2].hash: unknown`:        version(low, func(v *secrethash.Version) { v.Hash = "SHA-1" }),
		"low_entropy_random.versions[2].info: is not a text":  version(low, func(v *secrethash.Version) { v.Info = "" }),
		"low_entropy_random.versions[2].info: is not a  text": version(low, func(v *secrethash.Version) { v.Info = "a\x00b" }),
		"low_entropy_random.versions[2].info: is that of":     version(low, func(v *secrethash.Version) { v.Info = secrethash.Defaults()[high].Versions[0].Info }),
		"low_entropy_random.versions[2].version: 0":           version(low, func(v *secrethash.Version) { v.Version = 0 }),
		"low_entropy_random.versions[2].version: 1":           version(low, func(v *secrethash.Version) { v.Version = 1 }),
		"low_entropy_random.current: 4":                       config(low, func(c *secrethash.RegistryConfig) { c.Current = 4 }),
		"low_entropy_random.versions[2].rounds: 220000 is":    config(low, func(c *secrethash.RegistryConfig) { c.SelectBySize = true }),
		"high_entropy_deterministic.current: 0 is not one of": {Peppers: peppers(), Registries: map[secrethash.Kind]secrethash.RegistryConfig{high: {}}},
	} {
		_, err := secrethash.Open(c)
		if path == "low_entropy_random.versions[2].info: is not a  text" {
			path = "info: is not a text"
		}
		require.ErrorContains(t, err, path)
	}

	_, err := secrethash.Open(config(low, func(c *secrethash.RegistryConfig) {
		c.Versions[0].Rounds, c.Versions[1].SaltBytes, c.Versions[2].Hash = 1, 1, "MD5"
	}))
	var problems secrethash.Problems
	require.ErrorAs(t, err, &problems)
	assert.Len(t, problems, 3, "all of them at once: %v", problems)
}

func TestOpen_AVersionMayBeAheadOrBehind(t *testing.T) {
	t.Parallel()
	c := config(secrethash.HighEntropyRandom, func(c *secrethash.RegistryConfig) { c.Current = 2 })
	r := open(t, c).Registry(secrethash.HighEntropyRandom)
	assert.Contains(t, hash(t, r, secret32), "{2}:")
	text, err := r.HashWithVersion(t.Context(), 3, []byte(secret32))
	require.NoError(t, err)
	assert.Equal(t, secrethash.Result{Match: true, Rehash: true}, verify(t, r, secret32, text))
}

package secrethash

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Floors and ceilings of what configuration may ask for.
const (
	// MinSecret is the length in bytes of the shortest secret of high entropy that is hashed: 128 random bits, below which a fast hash
	// could be guessed (SP 800-132 section 5 asks for PBKDF2 there).
	MinSecret = 16
	// MinPepper is the length in bytes of the shortest pepper: the security strength of the weakest hash function used (SP 800-107 section 5.3.4).
	MinPepper = 32
	// minSalt is the floor of SP 800-132 section 5.1: 128 bits.
	minSalt = 16
	maxSalt = 64
	maxInfo = 256
	// maxRounds keeps one verification below some seconds.
	maxRounds = 10_000_000
	// maxConcurrency is more than any machine has processors for.
	maxConcurrency = 1024
)

// Config describes the registries.
type Config struct {
	// Registries are the policies by kind; a kind that is absent has that of [Defaults].
	Registries map[Kind]RegistryConfig
	// Peppers holds a secret of at least [MinPepper] bytes per version, for all registries. A version without one cannot be used, and each
	// current version needs one. The registries keep their own copies.
	Peppers map[int][]byte
	// Concurrency is how many PBKDF2 computations run at a time, each on one processor for a tenth of a second or more; others wait. Zero is
	// half of the processors.
	Concurrency int
	// Dev replaces missing peppers by publicly known ones, which protect nothing.
	Dev bool
}

// RegistryConfig is the policy of one registry.
type RegistryConfig struct {
	// Current is the version that new hashes get.
	Current int `koanf:"current"`
	// SelectBySize takes the hash function by the length of the input instead of the version's: up to 31 bytes SHA-256, up to 47
	// SHA-384, from 48 SHA-512. It writes down which of these lengths the input has, so it is not for passwords.
	SelectBySize bool `koanf:"select_by_size"`
	// Versions are the policies that hashes may have. A version that is in use is never changed, least of all in a deterministic registry,
	// where nothing would be found again: add another one.
	Versions []Version `koanf:"versions"`
}

// Version is one version of how a registry hashes.
type Version struct {
	// Version is its number, from 1.
	Version int `koanf:"version"`
	// Hash is SHA-256, SHA-384 or SHA-512.
	Hash string `koanf:"hash"`
	// Rounds of PBKDF2; 0 in the registries of high entropy.
	Rounds int `koanf:"rounds"`
	// SaltBytes is the length of the salt, 16 to 64.
	SaltBytes int `koanf:"salt_bytes"`
	// Info separates the output from that of other registries and versions (RFC 5869 section 3.2; SP 800-132 section 5.1): 1 to 256 characters
	// of printable ASCII.
	Info string `koanf:"info"`
}

// Defaults are the twelve policies. The rounds are OWASP's (Password Storage Cheat Sheet): 600,000 for SHA-256, and for SHA-512, each of
// whose rounds costs an attacker more, a little above the 210,000.
func Defaults() map[Kind]RegistryConfig {
	low, high := [3]int{600_000, 600_000, 220_000}, [3]int{}
	return map[Kind]RegistryConfig{
		LowEntropyRandom:         {Current: 3, Versions: versions("low-entropy random", low)},
		LowEntropyDeterministic:  {Current: 3, Versions: versions("low-entropy deterministic", low)},
		HighEntropyRandom:        {Current: 3, SelectBySize: true, Versions: versions("high-entropy random", high)},
		HighEntropyDeterministic: {Current: 3, SelectBySize: true, Versions: versions("high-entropy deterministic", high)},
	}
}

func versions(registry string, rounds [3]int) []Version {
	info := "cryptoutil " + registry + " v"
	return []Version{
		{Version: 1, Hash: "SHA-256", Rounds: rounds[0], SaltBytes: 16, Info: info + "1"},
		{Version: 2, Hash: "SHA-384", Rounds: rounds[1], SaltBytes: 24, Info: info + "2"},
		{Version: 3, Hash: "SHA-512", Rounds: rounds[2], SaltBytes: 32, Info: info + "3"},
	}
}

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	// Path is the key path below the section, such as registries.low_entropy_random.versions[0].rounds.
	Path string
	// Message says what is wrong; it never holds a pepper.
	Message string
	// Suggestion says what to do; optional.
	Suggestion string
}

// Problems are all that is wrong with a configuration.
type Problems []Problem //nolint:errname // several problems are one error

// Error is one problem per clause.
func (ps Problems) Error() string {
	texts := make([]string, len(ps))
	for i, p := range ps {
		texts[i] = p.Path + ": " + p.Message
		if p.Suggestion != "" {
			texts[i] += " (" + p.Suggestion + ")"
		}
	}
	return strings.Join(texts, "; ")
}

// withDefaults is a copy in which nothing is absent.
func withDefaults(given Config) Config {
	c := Config{Registries: Defaults(), Peppers: given.Peppers, Concurrency: given.Concurrency, Dev: given.Dev}
	maps.Copy(c.Registries, given.Registries)
	if c.Concurrency == 0 {
		c.Concurrency = defaultConcurrency()
	}
	return c
}

// Validate finds everything that is wrong.
func (c Config) Validate() Problems {
	return validate(withDefaults(c))
}

func validate(c Config) Problems {
	v := &validation{infos: map[string]bool{}, policies: map[int]bool{}}
	if c.Concurrency < 1 || c.Concurrency > maxConcurrency {
		v.report("concurrency", fmt.Sprintf("%d is out of range", c.Concurrency), fmt.Sprintf("1 to %d", maxConcurrency))
	}
	for _, kind := range slices.Sorted(maps.Keys(c.Registries)) {
		path := "registries." + string(kind)
		if !slices.Contains(Kinds(), kind) {
			v.report(path, "is not a registry", fmt.Sprintf("one of %v", Kinds()))
			continue
		}
		v.registry(path, kind, c.Registries[kind])
		if current := c.Registries[kind].Current; len(c.Peppers[current]) == 0 && !c.Dev {
			v.report(fmt.Sprintf("peppers.%d", current), fmt.Sprintf("the current version of %s has no pepper", kind), "name a secret file")
		}
	}
	for _, number := range slices.Sorted(maps.Keys(c.Peppers)) {
		path := fmt.Sprintf("peppers.%d", number)
		if size := len(c.Peppers[number]); size != 0 && size < MinPepper {
			v.report(path, fmt.Sprintf("has %d bytes", size), fmt.Sprintf("at least %d random bytes", MinPepper))
		}
		if !v.policies[number] {
			v.report(path, "no registry has this version", "remove it, or add the version")
		}
	}
	return v.problems
}

// validation collects problems and what must be unique.
type validation struct {
	problems Problems
	infos    map[string]bool // of all registries
	policies map[int]bool    // the numbers of all versions
}

func (v *validation) report(path, message, suggestion string) {
	v.problems = append(v.problems, Problem{Path: path, Message: message, Suggestion: suggestion})
}

func (v *validation) registry(path string, kind Kind, c RegistryConfig) {
	numbers := map[int]bool{}
	for i, p := range c.Versions {
		at := fmt.Sprintf("%s.versions[%d]", path, i)
		if p.Version < 1 || numbers[p.Version] {
			v.report(at+".version", fmt.Sprintf("%d is not a new number from 1", p.Version), "")
		}
		numbers[p.Version], v.policies[p.Version] = true, true
		if v.infos[p.Info] {
			v.report(at+".info", "is that of another version or registry", "")
		}
		v.infos[p.Info] = true
		v.version(at, kind, c.SelectBySize, p)
	}
	if !numbers[c.Current] {
		v.report(path+".current", fmt.Sprintf("%d is not one of the versions", c.Current), "")
	}
}

func (v *validation) version(at string, kind Kind, bySize bool, p Version) {
	f, known := functionByName(p.Hash)
	if !known {
		v.report(at+".hash", fmt.Sprintf("unknown hash function %q", p.Hash), "SHA-256, SHA-384 or SHA-512")
	}
	if p.SaltBytes < minSalt || p.SaltBytes > maxSalt {
		v.report(at+".salt_bytes", fmt.Sprintf("%d is out of range", p.SaltBytes), fmt.Sprintf("%d to %d", minSalt, maxSalt))
	}
	if p.Info == "" || len(p.Info) > maxInfo || strings.ContainsFunc(p.Info, func(c rune) bool { return c < ' ' || c > '~' }) {
		v.report(at+".info", "is not a text of printable ASCII", fmt.Sprintf("1 to %d characters", maxInfo))
	}
	floor := f.minRounds
	if bySize {
		floor = functions()[0].minRounds // a short input selects the first
	}
	switch {
	case !kind.slow() && p.Rounds != 0:
		v.report(at+".rounds", "are for the registries of low entropy", "remove them")
	case kind.slow() && (p.Rounds < floor || p.Rounds > maxRounds):
		v.report(at+".rounds", fmt.Sprintf("%d is out of range", p.Rounds), fmt.Sprintf("%d to %d", floor, maxRounds))
	}
}

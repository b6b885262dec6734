package config_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/cryptoutil/cryptoutil/libs/config"
)

type limits struct {
	Rate  int           `koanf:"rate"`
	Every time.Duration `koanf:"every"`
}

type peer struct {
	URL string `koanf:"url"`
}

type shared struct {
	Level string `koanf:"level" live:"true"`
}

type whole struct {
	Shared shared `koanf:",squash"`

	Address string            `koanf:"address"`
	Limits  limits            `koanf:"limits" live:"true"`
	Secret  config.Secret     `koanf:"secret"`
	Names   []string          `koanf:"names"`
	Tags    map[string]int    `koanf:"tags"`
	Peers   []peer            `koanf:"peers"`
	Size    config.ByteSize   `koanf:"size"`
	Hidden  int               `koanf:"-"`
	Table   map[string]peer   `koanf:"table"`
	Path    config.Path       `koanf:"path"`
	Texts   map[string]string `koanf:"texts"`
}

func sample() whole {
	return whole{
		Shared: shared{Level: "info"}, Address: "127.0.0.1:1", Limits: limits{Rate: 5, Every: time.Second}, Names: []string{"a", "b"},
		Tags: map[string]int{"y": 2, "x": 1}, Size: 4 * config.KiB,
	}
}

func TestChanges_NamesEveryKeyThatDiffersAndWhetherItIsLive(t *testing.T) {
	t.Parallel()
	assert.Empty(t, config.Changes(sample(), sample()))
	after := sample()
	after.Shared.Level, after.Address, after.Limits.Every, after.Names, after.Hidden = "debug", "127.0.0.1:2", time.Minute, []string{"a"}, 7
	after.Tags = map[string]int{"x": 1}
	assert.Equal(t, []config.Change{
		{Path: "level", Live: true}, {Path: "address"}, {Path: "limits.every", Live: true}, {Path: "names"}, {Path: "tags"},
	}, config.Changes(sample(), &after))
}

func TestKeys_ListsWhatCanBeWrittenWithItsDefault(t *testing.T) {
	t.Parallel()
	got := map[string][3]string{}
	var order []string
	for _, key := range config.Keys(sample()) {
		live := ""
		if key.Live {
			live = "live"
		}
		got[key.Path] = [3]string{key.Type, key.Default, live}
		order = append(order, key.Path)
	}
	assert.Equal(t, map[string][3]string{
		"level": {"text", "info", "live"}, "address": {"text", "127.0.0.1:1", ""}, "limits.rate": {"whole number", "5", "live"},
		"limits.every": {"duration", "1s", "live"}, "secret": {"secret file", "", ""}, "names": {"list of text", "[a, b]", ""},
		"tags": {"table of whole number", "{x: 1, y: 2}", ""}, "peers": {"list of section", "", ""}, "peers[].url": {"text", "", ""},
		"size": {"size", "4KiB", ""}, "table": {"table of section", "", ""}, "table[].url": {"text", "", ""}, "path": {"path", "", ""},
		"texts": {"table of text", "", ""},
	}, got)
	assert.Equal(t, "level", order[0])
}

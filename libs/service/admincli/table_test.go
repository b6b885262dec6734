package admincli_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/cryptoutil/cryptoutil/libs/auth/api"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/libs/service/admincli"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

// document is what the commands must agree with of the API's document.
type document struct {
	Paths      map[string]map[string]operation `yaml:"paths"`
	Components struct {
		Schemas map[string]struct {
			Required   []string       `yaml:"required"`
			Properties map[string]any `yaml:"properties"`
		} `yaml:"schemas"`
		Parameters map[string]parameter `yaml:"parameters"`
	} `yaml:"components"`
}

type parameter struct {
	Ref  string `yaml:"$ref"`
	Name string `yaml:"name"`
	In   string `yaml:"in"`
}

type schema struct {
	Ref string `yaml:"$ref"`
}

type operation struct {
	ID          string      `yaml:"operationId"`
	StepUp      bool        `yaml:"x-step-up"`
	Parameters  []parameter `yaml:"parameters"`
	RequestBody struct {
		Content map[string]struct {
			Schema schema `yaml:"schema"`
		} `yaml:"content"`
	} `yaml:"requestBody"`
}

func read(t *testing.T) document {
	t.Helper()
	var raw struct {
		Paths      map[string]map[string]yaml.Node `yaml:"paths"`
		Components yaml.Node                       `yaml:"components"`
	}
	require.NoError(t, yaml.Unmarshal(api.Document(), &raw))
	d := document{Paths: map[string]map[string]operation{}}
	require.NoError(t, raw.Components.Decode(&d.Components))
	for path, members := range raw.Paths {
		d.Paths[path] = map[string]operation{}
		for method, node := range members {
			if method == "parameters" {
				continue
			}
			var o operation
			require.NoError(t, node.Decode(&o), path)
			d.Paths[path][strings.ToUpper(method)] = o
		}
	}
	return d
}

// body lists the members of an operation's body, and those that it must have.
func (d document) body(o operation) (members, required []string) {
	for _, content := range o.RequestBody.Content {
		name := content.Schema.Ref[strings.LastIndex(content.Schema.Ref, "/")+1:]
		s := d.Components.Schemas[name]
		return slices.Sorted(maps.Keys(s.Properties)), s.Required
	}
	return nil, nil
}

func TestCommands_CoverTheAPI(t *testing.T) {
	t.Parallel()
	d := read(t)
	known := map[string]bool{"GET /self": true, "GET /audit/export": true} // self is the product's, export has its own form
	for _, command := range admincli.Table() {
		name := command.Command
		o, there := d.Paths[command.Path][command.Method]
		require.True(t, there, "%s: there is no %s %s", name, command.Method, command.Path)
		known[command.Method+" "+command.Path] = true
		assert.Equal(t, o.StepUp, command.StepUp, "%s: whether it says that it wants a certificate", name)

		members, required := d.body(o)
		assert.ElementsMatch(t, members, command.Body, "%s: members of the body", name)
		assert.Subset(t, command.Required, required, "%s: what must be given", name)
		var query []string
		for _, p := range o.Parameters {
			if p.In == "query" {
				query = append(query, p.Name)
			}
		}
		assert.ElementsMatch(t, query, command.Query, "%s: parameters", name)
	}
	for path, methods := range d.Paths {
		for method := range methods {
			assert.True(t, known[method+" "+path], "%s %s has no command", method, path)
		}
	}
}

// Package api holds the OpenAPI document of what every service has beside its own API.
package api

import (
	_ "embed"
)

//go:embed openapi.yaml
var document []byte

// Document returns the OpenAPI document, YAML.
func Document() []byte { return document }

module github.com/cryptoutil/cryptoutil/libs/federation

go 1.26.0

godebug fips140=only

require (
	github.com/cryptoutil/cryptoutil/libs/config v0.0.0
	github.com/cryptoutil/cryptoutil/libs/crypto v0.0.0-00010101000000-000000000000
	github.com/cryptoutil/cryptoutil/libs/tlsconfig v0.0.0-00010101000000-000000000000
	github.com/hashicorp/go-retryablehttp v0.7.8
	github.com/stretchr/testify v1.11.1
	go.opentelemetry.io/otel v1.43.0
	go.opentelemetry.io/otel/metric v1.43.0
	go.opentelemetry.io/otel/trace v1.43.0
)

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/davecgh/go-spew v1.1.1 // indirect
	github.com/go-viper/mapstructure/v2 v2.4.0 // indirect
	github.com/hashicorp/go-cleanhttp v0.5.2 // indirect
	github.com/knadh/koanf/maps v0.1.2 // indirect
	github.com/knadh/koanf/providers/confmap v1.0.0 // indirect
	github.com/knadh/koanf/v2 v2.3.5 // indirect
	github.com/mattn/go-colorable v0.1.14 // indirect
	github.com/mitchellh/copystructure v1.2.0 // indirect
	github.com/mitchellh/reflectwalk v1.0.2 // indirect
	github.com/pmezard/go-difflib v1.0.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/sys v0.47.0 // indirect
	gopkg.in/yaml.v3 v3.0.1 // indirect
)

replace github.com/cryptoutil/cryptoutil/libs/config => ../../libs/config

replace github.com/cryptoutil/cryptoutil/libs/crypto => ../../libs/crypto

replace github.com/cryptoutil/cryptoutil/libs/tlsconfig => ../../libs/tlsconfig

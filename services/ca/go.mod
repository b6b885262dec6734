module github.com/cryptoutil/cryptoutil/services/ca

go 1.26.0

godebug fips140=only

require (
	github.com/cryptoutil/cryptoutil/libs/config v0.0.0
	github.com/cryptoutil/cryptoutil/libs/crypto v0.0.0
	github.com/cryptoutil/cryptoutil/libs/testkit v0.0.0-00010101000000-000000000000
	github.com/cryptoutil/cryptoutil/libs/tlsconfig v0.0.0-00010101000000-000000000000
	github.com/miekg/dns v1.1.72
	github.com/stretchr/testify v1.11.1
	golang.org/x/crypto v0.54.0
	golang.org/x/net v0.57.0
)

require (
	github.com/davecgh/go-spew v1.1.1 // indirect
	github.com/go-viper/mapstructure/v2 v2.4.0 // indirect
	github.com/google/go-cmp v0.7.0 // indirect
	github.com/knadh/koanf/maps v0.1.2 // indirect
	github.com/knadh/koanf/providers/confmap v1.0.0 // indirect
	github.com/knadh/koanf/v2 v2.3.5 // indirect
	github.com/mitchellh/copystructure v1.2.0 // indirect
	github.com/mitchellh/reflectwalk v1.0.2 // indirect
	github.com/pmezard/go-difflib v1.0.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/mod v0.38.0 // indirect
	golang.org/x/sync v0.22.0 // indirect
	golang.org/x/sys v0.47.0 // indirect
	golang.org/x/text v0.41.0 // indirect
	golang.org/x/tools v0.48.0 // indirect
	gopkg.in/yaml.v3 v3.0.1 // indirect
)

replace github.com/cryptoutil/cryptoutil/libs/config => ../../libs/config

replace github.com/cryptoutil/cryptoutil/libs/crypto => ../../libs/crypto

replace github.com/cryptoutil/cryptoutil/libs/database => ../../libs/database

replace github.com/cryptoutil/cryptoutil/libs/testkit => ../../libs/testkit

replace github.com/cryptoutil/cryptoutil/libs/tlsconfig => ../../libs/tlsconfig

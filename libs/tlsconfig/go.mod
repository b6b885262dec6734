module github.com/cryptoutil/cryptoutil/libs/tlsconfig

go 1.26.0

godebug fips140=only

require (
	github.com/cryptoutil/cryptoutil/libs/config v0.0.0
	github.com/cryptoutil/cryptoutil/libs/crypto v0.0.0-00010101000000-000000000000
	github.com/stretchr/testify v1.11.1
	golang.org/x/crypto v0.54.0
)

require (
	github.com/davecgh/go-spew v1.1.1 // indirect
	github.com/go-viper/mapstructure/v2 v2.4.0 // indirect
	github.com/knadh/koanf/maps v0.1.2 // indirect
	github.com/knadh/koanf/providers/confmap v1.0.0 // indirect
	github.com/knadh/koanf/v2 v2.3.5 // indirect
	github.com/kr/text v0.2.0 // indirect
	github.com/mitchellh/copystructure v1.2.0 // indirect
	github.com/mitchellh/reflectwalk v1.0.2 // indirect
	github.com/pmezard/go-difflib v1.0.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	gopkg.in/yaml.v3 v3.0.1 // indirect
)

replace (
	github.com/cryptoutil/cryptoutil/libs/config => ../../libs/config
	github.com/cryptoutil/cryptoutil/libs/crypto => ../../libs/crypto
)

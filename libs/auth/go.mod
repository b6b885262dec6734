module github.com/cryptoutil/cryptoutil/libs/auth

go 1.26.0

godebug fips140=only

replace (
	github.com/cryptoutil/cryptoutil/libs/config => ../../libs/config
	github.com/cryptoutil/cryptoutil/libs/crypto => ../../libs/crypto
	github.com/cryptoutil/cryptoutil/libs/database => ../../libs/database
	github.com/cryptoutil/cryptoutil/libs/server => ../../libs/server
	github.com/cryptoutil/cryptoutil/libs/telemetry => ../../libs/telemetry
	github.com/cryptoutil/cryptoutil/libs/tlsconfig => ../../libs/tlsconfig
)

require (
	github.com/cryptoutil/cryptoutil/libs/crypto v0.0.0
	github.com/cryptoutil/cryptoutil/libs/server v0.0.0
	github.com/cryptoutil/cryptoutil/libs/config v0.0.0
	github.com/stretchr/testify v1.11.1
)

require (
	github.com/davecgh/go-spew v1.1.1 // indirect
	github.com/pmezard/go-difflib v1.0.0 // indirect
	go.yaml.in/yaml/v3 v3.0.4 // indirect
	gopkg.in/yaml.v3 v3.0.1 // indirect
)

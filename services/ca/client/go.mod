module github.com/cryptoutil/cryptoutil/services/ca/client

go 1.26.0

godebug fips140=only

require (
	github.com/cryptoutil/cryptoutil/libs/apiclient v0.0.0
	github.com/cryptoutil/cryptoutil/libs/crypto v0.0.0
	github.com/oapi-codegen/runtime v1.8.0
	github.com/stretchr/testify v1.11.1
)

require (
	github.com/apapsch/go-jsonmerge/v2 v2.0.0 // indirect
	github.com/davecgh/go-spew v1.1.1 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/pmezard/go-difflib v1.0.0 // indirect
	gopkg.in/yaml.v3 v3.0.1 // indirect
)

replace github.com/cryptoutil/cryptoutil/libs/apiclient => ../../../libs/apiclient

replace github.com/cryptoutil/cryptoutil/libs/crypto => ../../../libs/crypto

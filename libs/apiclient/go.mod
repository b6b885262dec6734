module github.com/cryptoutil/cryptoutil/libs/apiclient

go 1.26.0

godebug fips140=only

require (
	github.com/cryptoutil/cryptoutil/libs/crypto v0.0.0
	github.com/stretchr/testify v1.11.1
)

require (
	github.com/davecgh/go-spew v1.1.1 // indirect
	github.com/kr/text v0.2.0 // indirect
	github.com/pmezard/go-difflib v1.0.0 // indirect
	gopkg.in/yaml.v3 v3.0.1 // indirect
)

replace github.com/cryptoutil/cryptoutil/libs/crypto => ../../libs/crypto

module github.com/cryptoutil/cryptoutil/services/kms

go 1.26.0

godebug fips140=only

replace (
	github.com/cryptoutil/cryptoutil/libs/auth => ../../libs/auth
	github.com/cryptoutil/cryptoutil/libs/config => ../../libs/config
	github.com/cryptoutil/cryptoutil/libs/crypto => ../../libs/crypto
	github.com/cryptoutil/cryptoutil/libs/database => ../../libs/database
	github.com/cryptoutil/cryptoutil/libs/server => ../../libs/server
	github.com/cryptoutil/cryptoutil/libs/telemetry => ../../libs/telemetry
	github.com/cryptoutil/cryptoutil/libs/testkit => ../../libs/testkit
	github.com/cryptoutil/cryptoutil/libs/tlsconfig => ../../libs/tlsconfig
	github.com/cryptoutil/cryptoutil/services/kms/client => ../../services/kms/client
)

require github.com/cryptoutil/cryptoutil/services/kms/client v0.0.0-00010101000000-000000000000

require (
	github.com/apapsch/go-jsonmerge/v2 v2.0.0 // indirect
	github.com/getkin/kin-openapi v0.149.0 // indirect
	github.com/go-chi/chi/v5 v5.2.5 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/oapi-codegen/runtime v1.8.0 // indirect
	github.com/spf13/cobra v1.10.2 // indirect
	github.com/spf13/pflag v1.0.9 // indirect
	github.com/stretchr/testify v1.11.1 // indirect
	golang.org/x/sys v0.43.0 // indirect
	golang.org/x/term v0.42.0 // indirect
)

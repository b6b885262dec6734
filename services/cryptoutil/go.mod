module github.com/cryptoutil/cryptoutil/services/cryptoutil

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
	github.com/cryptoutil/cryptoutil/services/kms => ../../services/kms
	github.com/cryptoutil/cryptoutil/services/kms/client => ../../services/kms/client
)

require (
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/spf13/cobra v1.10.2 // indirect
	github.com/spf13/pflag v1.0.9 // indirect
)

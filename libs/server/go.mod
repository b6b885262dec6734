module github.com/cryptoutil/cryptoutil/libs/server

go 1.26.0

godebug fips140=only

replace (
	github.com/cryptoutil/cryptoutil/libs/config => ../../libs/config
	github.com/cryptoutil/cryptoutil/libs/crypto => ../../libs/crypto
	github.com/cryptoutil/cryptoutil/libs/telemetry => ../../libs/telemetry
	github.com/cryptoutil/cryptoutil/libs/tlsconfig => ../../libs/tlsconfig
)

require github.com/go-chi/chi/v5 v5.2.5

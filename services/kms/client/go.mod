module github.com/cryptoutil/cryptoutil/services/kms/client

go 1.26.0

godebug fips140=only

replace (
	github.com/cryptoutil/cryptoutil/libs/crypto => ../../../libs/crypto
)

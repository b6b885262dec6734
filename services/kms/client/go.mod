module github.com/cryptoutil/cryptoutil/services/kms/client

go 1.26.0

godebug fips140=only

replace github.com/cryptoutil/cryptoutil/libs/crypto => ../../../libs/crypto

require (
	github.com/apapsch/go-jsonmerge/v2 v2.0.0 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/oapi-codegen/runtime v1.5.0 // indirect
)

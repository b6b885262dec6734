module github.com/cryptoutil/cryptoutil/services/ca

go 1.26.0

godebug fips140=only

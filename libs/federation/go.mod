module github.com/cryptoutil/cryptoutil/libs/federation

go 1.26.0

godebug fips140=only

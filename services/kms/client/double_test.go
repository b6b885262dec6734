package client_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/apiclient/double"
	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"
	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

// dial returns a client of s, which change may alter. It repeats at once.
func dial(t *testing.T, s *double.Server, change func(*client.Config)) *client.KMS {
	t.Helper()
	config := client.Config{URL: s.URL, Roots: s.Roots(), Token: "cu_at_t_1_secret", Backoff: 1}
	if change != nil {
		change(&config)
	}
	kms, err := client.New(config)
	require.NoError(t, err)
	t.Cleanup(kms.Close)
	return kms
}

const keyJSON = `{"id":"018f0000-0000-7000-8000-000000000001","name":"payroll","description":"","algorithm":"A256GCM/A256KW","use":"encrypt","status":"active",` +
	`"primary_version":1,"version_count":1,"created_at":"2026-11-02T09:30:00.000000Z","updated_at":"2026-11-02T09:30:00.000000Z"}`

const versionJSON = `{"id":"018f0000-0000-7000-8000-000000000002","elastic_key_id":"018f0000-0000-7000-8000-000000000001","version":2,"kid":"k.2",` +
	`"status":"enabled","primary":true,"created_at":"2026-11-02T09:30:00.000000Z"}`

package admin_test

import (
	"context"
	"testing"

	"github.com/cryptoutil/cryptoutil/libs/database"
)

// bound is the test's context as the tenant's.
func bound(t *testing.T, tenant string) context.Context {
	t.Helper()
	return database.WithTenant(t.Context(), tenant)
}

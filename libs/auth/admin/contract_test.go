package admin_test

import (
	"github.com/cryptoutil/cryptoutil/libs/auth"
	"github.com/cryptoutil/cryptoutil/libs/auth/admin"
	"github.com/cryptoutil/cryptoutil/libs/auth/login"
	"github.com/cryptoutil/cryptoutil/libs/auth/session"
	"github.com/cryptoutil/cryptoutil/libs/database/audit"
	"github.com/cryptoutil/cryptoutil/libs/database/tenants"
)

// The parts of a service fit into each other.
var (
	_ auth.Bearer        = (*session.Manager)(nil)
	_ session.Principals = (*auth.Gate)(nil)
	_ login.Passwords    = (*auth.Passwords)(nil)
	_ admin.Sessions     = (*session.Manager)(nil)
	_ admin.Tenants      = (*tenants.Registry)(nil)
	_ admin.Audit        = (*audit.Log)(nil)
)

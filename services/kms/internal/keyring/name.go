package keyring

import "github.com/cryptoutil/cryptoutil/libs/server/naming"

// Ref names an elastic key the way callers do: by UUID or by name.
type Ref = naming.Ref

func isUUID(s string) bool { return naming.IsUUID(s) }

// checkName holds names to their form, so that a reference means one thing only.
func checkName(name string) error { return naming.Check(name) }

func validName(name string) bool { return naming.Valid(name) }

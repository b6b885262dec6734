package kms

import (
	"encoding/base64"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/telemetry/buildinfo"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// BackupConfig is about backups of keys.
type BackupConfig struct {
	// Recipients are the SHA-256 thumbprints (RFC 7638) of the only keys that backups are encrypted to. Without any, callers name the recipients,
	// and keys with a quorum take its approval.
	Recipients []string `koanf:"recipients"`
}

// Validate implements config.Validator.
func (c BackupConfig) Validate() []config.Problem {
	var problems []config.Problem
	const size = 32 // of SHA-256
	for i, text := range c.Recipients {
		if sum, err := base64.RawURLEncoding.Strict().DecodeString(text); err != nil || len(sum) != size {
			problems = append(problems, config.Problem{
				Path: fmt.Sprintf("recipients[%d]", i), Message: "is no thumbprint", Suggestion: "43 characters of base64url: the SHA-256 thumbprint of the public JWK",
			})
		}
	}
	return problems
}

// backups are those of an installation, by the identity that all its replicas share.
func (c BackupConfig) backups(installation string) keyring.Backups {
	return keyring.Backups{Release: buildinfo.Read().Version, Instance: installation, Recipients: c.Recipients}
}

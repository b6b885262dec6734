package cli

// advice is what helps with a problem, by its code, which says by itself what happened.
func advice() map[string]string {
	return map[string]string{
		"unauthenticated":       "the credential was refused: check the one that the context file names for kms",
		"insufficient_scope":    "`self` shows the scopes of your credential",
		"forbidden":             "`self` shows the scopes of your credential",
		"not_found":             "`key list` shows the keys of your tenant, `key alias list` their further names",
		"conflict":              "choose another name, or add a version to that key with `key rotate`",
		"invalid_state":         "`key get` and `key version list` show the states",
		"policy_refused":        "`key get` shows what the key's policy allows, `key update` changes it",
		"approval_required":     "ask the key's quorum with `approval request`, and name what it has approved with --approval",
		"approval_not_usable":   "`approval list` shows your requests and what became of them",
		"import_wrong_key":      "wrap the material for the key that `import start` printed with this token",
		"import_job_used":       "begin anew with `import start`",
		"import_job_expired":    "begin anew with `import start`",
		"import_job_exhausted":  "begin anew with `import start`",
		"not_exportable":        "only a key created with --exportable leaves, and that cannot be changed: `backup key` keeps the others",
		"invalid_recipient":     "`recipient create` makes a key pair that is fit",
		"no_private_key":        "the version is a public key alone: whoever imported it has the private part",
		"version_compromised":   "what a compromised version made is read only with the scope kms:use-compromised",
		"version_below_minimum": "`key get` shows the key's lowest versions, `key update` changes them",
		"usage_limit_reached":   "`key rotate` gives the key a version that has had no uses",
		"invalid_jwk":           "`key get` shows the algorithm and curve that a key must have to fit",
		"key_mismatch":          "`key get` shows the algorithm and curve that a key must have to fit",
		"payload_too_large":     "larger data is encrypted by `encrypt` and signed by `sign`, which keep it here",
		"invalid_backup":        "`backup check` tells whether the file is whole; a backup of another tenant takes --from-tenant",
		"wrong_key_use":         "`key get` shows what the key is for",
		"no_public_key":         "`key get` shows what the key is for",
		"unsupported_algorithm": "for instance A256GCM/A256KW encrypts and ES256 signs",
		"decryption_failed":     "the key, the --encryption-context and the message must be those of the encryption",
	}
}

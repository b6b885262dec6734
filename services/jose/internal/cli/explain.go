package cli

// advice is what helps with a problem, by its code, which says by itself what happened.
func advice() map[string]string {
	const scopes = "an operator gives your credential the scope: `role create` and `binding create`, or `grant create` for one key"
	return map[string]string{ //nolint:gosec // codes and sentences, no credentials
		"unauthenticated":         "the credential was refused: check the one that the context file names for jose",
		"insufficient_scope":      scopes,
		"forbidden":               scopes,
		"not_found":               "`key list` shows the keys of your tenant, `profile list` its profiles",
		"conflict":                "choose another name; a key gets a new version with `key rotate`",
		"invalid_state":           "`key get` and `key version list` show the states, `profile get` what a profile is for",
		"not_exportable":          "only a key created with --exportable leaves, and that cannot be changed",
		"no_private_key":          "the key is a public one alone: whoever imported it has the private part",
		"no_public_key":           "the key is a shared secret and has no public part: `key get` shows what it is for",
		"wrong_key_use":           "`key get` shows what the key is for: a key signs or encrypts, never both",
		"key_mismatch":            "`key get` shows the algorithm and curve that a key must have to fit",
		"unsupported_algorithm":   "for instance ES256 signs and A256GCM/ECDH-ES+A256KW encrypts",
		"feature_disabled":        "no KMS is federated, or it is away: the service's log says which; `key create` makes a key without one",
		"kms_refused":             "whoever keeps the key in the KMS enables it there, and grants this service to read and sign with it",
		"dependency_unavailable":  "try again later: what keeps the key or vouches for the credential does not answer, and the service's log names it",
		"invalid_certificate":     "one file in PEM with the certificate of the key first, each followed by the one that made it",
		"no_certificate":          "`key csr` makes a request, `key certificate set` stores what an authority made of it",
		"invalid_jwk":             "`key get` and `key public` show what a key looks like that fits",
		"invalid_jws":             "take the message as whoever signed it wrote it, in compact or JSON serialization",
		"invalid_jwe":             "take the message as whoever encrypted it wrote it, in compact or JSON serialization",
		"invalid_sd_jwt":          "take the token as it was issued or presented, with its disclosures; a proof must be for this --audience and --nonce",
		"verification_failed":     "the message or its payload was changed, or another key signed it: do not trust it",
		"decryption_failed":       "the message was changed, or is for another key",
		"invalid_input":           "correct what it names; `profile get` shows the claims that a profile requires",
		"payload_too_large":       "at most 64 KiB go into a message: sign a digest of larger data, or encrypt it under a key of its own",
		"token_revoked":           "issue another one with `jwt issue`",
		"token_expired":           "issue another one with `jwt issue`",
		"token_too_old":           "issue another one with `jwt issue`",
		"token_wrong_audience":    "`profile get` shows which audiences the profile accepts",
		"token_wrong_issuer":      "`profile get` shows which issuer the profile accepts",
		"token_wrong_type":        "`profile get` shows which typ the profile accepts",
		"token_wrong_algorithm":   "`profile get` shows by which key the profile verifies",
		"token_missing_claim":     "`profile get` shows the claims that the profile requires",
		"token_malformed":         "take the token as it was issued; what its header may say besides, such as a key or zip, the profile allows: `profile get` shows it",
		"token_bad_signature":     "another key signed the token, or it was changed: do not trust it",
		"remote_keys_unavailable": "no keys came from where the profile has them: `profile get` shows the addresses, and the service's log says why",
	}
}

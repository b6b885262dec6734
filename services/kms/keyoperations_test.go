package kms_test

// keyed are, for each cryptographic operation, the key of a holding that it is done with and what is asked. The first of each succeeds.
func (h holding) keyed(verb string) (key string, bodies []map[string]any) {
	switch verb {
	case "encrypt":
		return h.secret, []map[string]any{{"plaintext": "aGVsbG8"}}
	case "decrypt":
		return h.secret, []map[string]any{{"ciphertext": h.ciphertext}}
	case "reencrypt":
		return h.secret, []map[string]any{{"ciphertext": h.ciphertext}, {"ciphertext": h.ciphertext, "target": h.secret, "new_context": map[string]string{"a": "b"}}}
	case "sign":
		return h.signer, []map[string]any{{"payload": "aGVsbG8"}}
	case "verify":
		return h.signer, []map[string]any{{"signature": h.jws}, {"signature": h.raw, "payload": "aGVsbG8", "input": "message", "format": "der"}}
	case "mac":
		return h.macKey, []map[string]any{{"payload": "aGVsbG8"}}
	case "verify-mac":
		return h.macKey, []map[string]any{{"payload": "aGVsbG8", "mac": h.mac}, {"payload": "aGVsbG8", "mac": h.mac, "version": 1}}
	case "generate-data-key":
		return h.secret, []map[string]any{{}, {"bits": 128, "include_plaintext": true}, {"key_pair": "P-256"}}
	case "wrap":
		return h.secret, []map[string]any{{"key": "aGVsbG8"}, {"jwk": map[string]any{"kty": "oct", "k": "AAECAwQFBgcICQoLDA0ODw"}}}
	case "unwrap":
		return h.secret, []map[string]any{{"wrapped": h.wrapped}}
	case "generate":
		return h.secret, []map[string]any{{"algorithm": "ES256"}, {"algorithm": "A256GCM/A256KW"}}
	case "derive":
		return h.deriveKey, []map[string]any{{"length": 32}}
	case "encapsulate":
		return h.kemKey, []map[string]any{{}}
	case "decapsulate":
		return h.kemKey, []map[string]any{{"ciphertext": h.encapsulated}}
	default:
		return "", []map[string]any{{"bytes": 16}}
	}
}

// pathOf is where an operation on a key is asked for; a key is nothing for those at the root.
func pathOf(key, verb string) string {
	if key == "" {
		return verb
	}
	return "elastic-keys/" + key + "/" + verb
}

// keyAsks are the requests for one operation, and batchAsks the same in a batch.
func keyAsks(verb string) func(h holding) []ask {
	return func(h holding) (asks []ask) {
		key, bodies := h.keyed(verb)
		for _, body := range bodies {
			asks = append(asks, ask{pathOf(key, verb), body})
		}
		return asks
	}
}

func batchAsks(verb string) func(h holding) []ask {
	return func(h holding) []ask {
		key, bodies := h.keyed(verb)
		return []ask{{pathOf(key, verb+"-batch"), map[string]any{"items": bodies}}}
	}
}

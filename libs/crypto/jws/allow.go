package jws

// Allow lists what messages may contain beyond what is accepted from everybody. The zero value allows
// nothing of it.
type Allow struct {
	// Unencoded accepts "b64": false, by which the payload is signed as it stands (RFC 7797).
	Unencoded bool
	// Critical are the extensions that the caller knows and applies ("crit", RFC 7515 section 4.1.11).
	Critical []string
	// EmbeddedKey accepts "jwk", EmbeddedChain "x5c". Both are given to the caller and never used by
	// themselves: the key that verifies is the caller's, and theirs must be the same.
	EmbeddedKey, EmbeddedChain bool
	// KeyURLs accepts "jku" and "x5u", which are given to the caller. Nothing here fetches them.
	KeyURLs bool
}

// permits says whether a member that is refused by itself is read.
func (a *Allow) permits(name []byte) bool {
	switch string(name) {
	case "b64":
		return a.Unencoded
	case "crit":
		return a.Unencoded || len(a.Critical) > 0
	case "jwk":
		return a.EmbeddedKey
	case "x5c":
		return a.EmbeddedChain
	case "jku", "x5u":
		return a.KeyURLs
	default:
		return false
	}
}

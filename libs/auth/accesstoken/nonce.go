package accesstoken

// Nonces are values that DPoP proofs must hold, so that none can be made long before it is used (RFC 9449 section 9).
type Nonces interface {
	// Current is the nonce to hand out now. Errors have a code.
	Current() (string, error)
	// Valid tells whether a nonce was handed out lately. Errors have a code.
	Valid(nonce string) (bool, error)
}

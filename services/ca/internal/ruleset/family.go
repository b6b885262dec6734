package ruleset

// Family is a set of rules that certificates keep.
type Family string

// The families.
const (
	// Private certificates keep RFC 5280 and the strength of keys; names and validity are the organisation's own affair.
	Private Family = "private"
	// BR certificates keep the Baseline Requirements of the CA/Browser Forum for TLS server certificates as well.
	BR Family = "br"
)

// Families are all there are.
func Families() []string { return []string{string(Private), string(BR)} }

package ruleset

// Family is a set of rules that certificates keep.
type Family string

// The families.
const (
	// Private certificates keep RFC 5280 and the strength of keys; names and validity are the organisation's own affair.
	Private Family = "private"
	// BR certificates keep the Baseline Requirements of the CA/Browser Forum for TLS server certificates as well.
	BR Family = "br"
	// BRLab certificates keep them but for the reserved policies, of which they have none: nobody may take them for public ones.
	BRLab Family = "br_lab"
)

// Families are those that profiles name.
func Families() []string { return []string{string(Private), string(BR)} }

// isBR says whether the Baseline Requirements count.
func (f Family) isBR() bool { return f == BR || f == BRLab }

package ruleset

import "time"

// Quantity is a number that the Baseline Requirements change at known dates.
type Quantity string

// The quantities.
const (
	// ValidityDays is how long a subscriber's certificate lives at most. A day has 86,400 seconds, and the last second counts
	// (section 1.6.1): notAfter is notBefore + days - 1 s.
	ValidityDays Quantity = "validity_days"
	// ShortLivedDays is up to how many days a certificate is short-lived, and needs no pointer to a CRL.
	ShortLivedDays Quantity = "short_lived_days"
	// RemotePerspectives is how many remote network perspectives must see a validation as the first did.
	RemotePerspectives Quantity = "remote_perspectives"
	// CAAParameters is 1 where accounturi and validationmethods of CAA records (RFC 8657) must be understood.
	CAAParameters Quantity = "caa_parameters"
	// CommonNameKnown is 1 where a common name must be one of the subject alternative names.
	CommonNameKnown Quantity = "common_name_known"
	// NoInternalName is 1 where internal names and reserved addresses are forbidden.
	NoInternalName Quantity = "no_internal_name"
	// SerialEntropy is how many random bits a serial number has at least.
	SerialEntropy Quantity = "serial_entropy"
	// NoOrganizationalUnit is 1 where the subject must not have an organizational unit.
	NoOrganizationalUnit Quantity = "no_organizational_unit"
	// CertificateProfiles is 1 where the profiles of section 7.1.2 count, with what they say of subjects and pointers.
	CertificateProfiles Quantity = "certificate_profiles"
	// CRLPointer is 1 where a certificate that is not short-lived must point to a CRL.
	CRLPointer Quantity = "crl_pointer"
)

// change is a quantity from a date on.
type change struct {
	quantity Quantity
	citation string
	from     string // UTC, the beginning of the day
	value    int
}

// timetable is TLS Baseline Requirements 2.2.6, the only place where a date of theirs is written. The changes of a quantity are in order.
var timetable = []change{
	{CommonNameKnown, "TLS BR 7.1.4.3", "2012-07-01", 1},
	{NoInternalName, "TLS BR 7.1.4.2.1", "2015-11-01", 1},
	{SerialEntropy, "TLS BR 7.1", "2016-09-30", 64},
	{NoOrganizationalUnit, "TLS BR 7.1.2.7.2", "2022-09-01", 1},
	{CertificateProfiles, "TLS BR 7.1.2 (ballot SC-62)", "2023-09-15", 1},
	{CRLPointer, "TLS BR 7.1.2.11.2 (ballot SC-63)", "2024-03-15", 1},
	{ValidityDays, "TLS BR 6.3.2", "2020-09-01", 398},
	{ValidityDays, "TLS BR 6.3.2", "2026-03-15", 200},
	{ValidityDays, "TLS BR 6.3.2", "2027-03-15", 100},
	{ValidityDays, "TLS BR 6.3.2", "2029-03-15", 47},
	{ShortLivedDays, "TLS BR 1.6.1", "2024-03-15", 10},
	{ShortLivedDays, "TLS BR 1.6.1", "2026-03-15", 7},
	{RemotePerspectives, "TLS BR 3.2.2.9", "2025-03-15", 2},
	{RemotePerspectives, "TLS BR 3.2.2.9", "2026-03-15", 3},
	{RemotePerspectives, "TLS BR 3.2.2.9", "2026-06-15", 4},
	{RemotePerspectives, "TLS BR 3.2.2.9", "2026-12-15", 5},
	{CAAParameters, "TLS BR 3.2.2.8", "2027-03-15", 1},
}

// start is when a change takes effect.
func (c change) start() time.Time {
	from, err := time.Parse(time.DateOnly, c.from)
	if err != nil {
		panic("ruleset: " + err.Error()) // a test reads the whole table
	}
	return from
}

// first is the date of the first change of a quantity.
func first(quantity Quantity) time.Time {
	for _, c := range timetable {
		if c.quantity == quantity {
			return c.start()
		}
	}
	panic("ruleset: " + string(quantity) + " is not in the timetable") // a test makes every rule
}

// Limit is the value of a quantity at a time; 0 before its first date.
func Limit(quantity Quantity, at time.Time) int {
	value := 0
	for _, c := range timetable {
		if c.quantity == quantity && !at.Before(c.start()) {
			value = c.value
		}
	}
	return value
}

// Change is a value that a quantity will have.
type Change struct {
	From     time.Time
	Value    int
	Citation string
}

// Ahead are the changes of a quantity after a time.
func Ahead(quantity Quantity, after time.Time) []Change {
	var ahead []Change
	for _, c := range timetable {
		if start := c.start(); c.quantity == quantity && start.After(after) {
			ahead = append(ahead, Change{From: start, Value: c.value, Citation: c.citation})
		}
	}
	return ahead
}

// Day is the day of the Baseline Requirements (section 1.6.1).
const Day = 24 * time.Hour

// MaxValidity is how long a certificate of the family that begins at a time may live, its last second included; 0 where nothing bounds it.
func MaxValidity(family Family, begins time.Time) time.Duration {
	if !family.isBR() {
		return 0
	}
	return time.Duration(Limit(ValidityDays, begins)) * Day
}

// Package profile decides what stands in a certificate. A [Profile] is a YAML file; [Load] reads those built into the program and those of a
// folder, and refuses what contradicts itself with all faults at once; [Profile.Apply] makes a [certificate.Intent] of a request, or says which field
// breaks which rule and what would be accepted.
//
// It is pure: no database, no network, no clock.
package profile

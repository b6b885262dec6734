package certificate

// The object identifiers of RFC 5280 sections 4.2.1 and 4.2.2, RFC 6960 section 4.2.2.2.1, RFC 7633 section 6, RFC 2985 and RFC 5652.
var (
	oidSubjectKeyID          = []int{2, 5, 29, 14}
	oidKeyUsage              = []int{2, 5, 29, 15}
	oidSubjectAltName        = []int{2, 5, 29, 17}
	oidBasicConstraints      = []int{2, 5, 29, 19}
	oidNameConstraints       = []int{2, 5, 29, 30}
	oidCRLDistributionPoints = []int{2, 5, 29, 31}
	oidCertificatePolicies   = []int{2, 5, 29, 32}
	oidAuthorityKeyID        = []int{2, 5, 29, 35}
	oidExtendedKeyUsage      = []int{2, 5, 29, 37}
	oidFreshestCRL           = []int{2, 5, 29, 46}
	oidAuthorityInfoAccess   = []int{1, 3, 6, 1, 5, 5, 7, 1, 1}
	oidTLSFeature            = []int{1, 3, 6, 1, 5, 5, 7, 1, 24}
	oidOCSPNoCheck           = []int{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}
	oidAccessOCSP            = []int{1, 3, 6, 1, 5, 5, 7, 48, 1}
	oidAccessIssuers         = []int{1, 3, 6, 1, 5, 5, 7, 48, 2}
	oidQualifierCPS          = []int{1, 3, 6, 1, 5, 5, 7, 2, 1}

	// The otherName by which Windows knows a person ([MS-WCCE] section 2.2.2.7.7.4).
	oidUserPrincipalName = []int{1, 3, 6, 1, 4, 1, 311, 20, 2, 3}

	oidExtensionRequest   = []int{1, 2, 840, 113549, 1, 9, 14}
	oidExtensionRequestMS = []int{1, 3, 6, 1, 4, 1, 311, 2, 1, 14}
	oidChallenge          = []int{1, 2, 840, 113549, 1, 9, 7}
	oidSignedData         = []int{1, 2, 840, 113549, 1, 7, 2}
	oidData               = []int{1, 2, 840, 113549, 1, 7, 1}
)

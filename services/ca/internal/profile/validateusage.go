package profile

import (
	"maps"
	"slices"
)

// Usages that only some kinds of keys can serve, or only with another.
var (
	encipherment  = []string{"keyEncipherment", "dataEncipherment"}
	agreement     = []string{"keyAgreement", "encipherOnly", "decipherOnly"}
	agreementOnly = []string{"encipherOnly", "decipherOnly"}
	authorityOnly = []string{"keyCertSign", "cRLSign"}
)

// purposeUsages are the usages one of which each purpose needs (RFC 5280 section 4.2.1.12).
var purposeUsages = map[string][]string{
	serverPurpose:         {"digitalSignature", "keyEncipherment", "keyAgreement"},
	clientPurpose:         {"digitalSignature", "keyAgreement"},
	"codeSigning":         {"digitalSignature"},
	"msKernelCodeSigning": {"digitalSignature"},
	"emailProtection":     {"digitalSignature", "contentCommitment", "keyEncipherment", "keyAgreement"},
	stampingPurpose:       {"digitalSignature", "contentCommitment"},
	ocspPurpose:           {"digitalSignature", "contentCommitment"},
	"documentSigning":     {"digitalSignature", "contentCommitment"},
	"msDocumentSigning":   {"digitalSignature", "contentCommitment"},
	"smartcardLogon":      {"digitalSignature"},
}

// checkKeyUsage makes sure that every kind of key has usages, and can serve them.
func (p *Profile) checkKeyUsage(f *faults) {
	u, k := p.KeyUsage, p.Keys
	known := slices.Sorted(maps.Keys(keyUsages))
	for path, names := range map[string][]string{"key_usage.all": u.All, "key_usage.rsa": u.RSA, "key_usage.ec": u.EC} {
		for i, name := range names {
			f.oneOf(element(path, i), name, known...)
		}
		f.unique(path, names)
	}
	hasRSA, hasEC := k.RSAMax > 0, len(k.Curves) > 0
	for _, rule := range []struct {
		applies     bool
		path        string
		have        []string
		unfit       []string
		kind, there string
	}{
		{hasEC || k.Ed25519, "key_usage.all", u.All, encipherment, "ECDSA and Ed25519 keys, which keys allows,", "move it to key_usage.rsa"},
		{hasRSA || k.Ed25519, "key_usage.all", u.All, agreement, "RSA and Ed25519 keys, which keys allows,", "move it to key_usage.ec"},
		{true, "key_usage.rsa", u.RSA, agreement, "RSA keys", "move it to key_usage.ec"},
		{true, "key_usage.ec", u.EC, encipherment, "EC keys", "move it to key_usage.rsa"},
	} {
		for i, name := range rule.have {
			if rule.applies && slices.Contains(rule.unfit, name) {
				f.add(element(rule.path, i), rule.there, "%s do not serve %s", rule.kind, name)
			}
		}
	}
	if len(u.RSA) > 0 && !hasRSA {
		f.add("key_usage.rsa", "remove it, or allow RSA keys", "usages for RSA keys, but keys allows none")
	}
	if len(u.EC) > 0 && !hasEC {
		f.add("key_usage.ec", "remove it, or allow curves", "usages for EC keys, but keys allows none")
	}
	p.checkUsages(f)
}

// checkUsages checks what each kind of key is to do.
func (p *Profile) checkUsages(f *faults) {
	for kind, names := range p.usagesByKind() {
		if len(names) == 0 {
			f.add("key_usage", "write at least one usage", "%s keys would have no usage", kind)
		}
		for _, name := range names {
			if slices.Contains(agreementOnly, name) && !slices.Contains(names, "keyAgreement") {
				f.add("key_usage", "add keyAgreement", "%s means nothing without keyAgreement (RFC 5280 section 4.2.1.3)", name)
			}
			if slices.Contains(authorityOnly, name) && !p.BasicConstraints.CA {
				f.add("key_usage", "remove it, or write basic_constraints.ca: true", "%s, but the subject is no authority", name)
			}
		}
		if p.BasicConstraints.CA && !slices.Contains(names, "keyCertSign") {
			f.add("key_usage", "add keyCertSign", "an authority whose %s key does not sign certificates", kind)
		}
	}
}

// usagesByKind are the usages of each kind of key that is allowed.
func (p *Profile) usagesByKind() map[string][]string {
	kinds := map[string][]string{}
	if p.Keys.RSAMax > 0 {
		kinds["RSA"] = slices.Concat(p.KeyUsage.All, p.KeyUsage.RSA)
	}
	if len(p.Keys.Curves) > 0 {
		kinds["EC"] = slices.Concat(p.KeyUsage.All, p.KeyUsage.EC)
	}
	if p.Keys.Ed25519 {
		kinds["Ed25519"] = p.KeyUsage.All
	}
	return kinds
}

func (p *Profile) hasPurpose(name string) bool {
	return slices.Contains(p.ExtendedKeyUsage.Purposes, name) || slices.Contains(p.ExtendedKeyUsage.Purposes, purposes[name])
}

func (p *Profile) checkPurposes(f *faults) {
	e := p.ExtendedKeyUsage
	known := slices.Sorted(maps.Keys(purposes))
	for i, name := range e.Purposes {
		if _, found := purposes[name]; found {
			continue
		}
		if _, err := parseObject(name); err != nil {
			f.oneOf(element("extended_key_usage.purposes", i), name, known...)
		}
	}
	f.unique("extended_key_usage.purposes", e.Purposes)
	switch {
	case len(e.Purposes) == 0 && e.Critical:
		f.add("extended_key_usage.critical", "remove it, or write purposes", "there is no purpose")
	case len(e.Purposes) == 0 && e.Constrains:
		f.add("extended_key_usage.constrains", "remove it, or write purposes", "there is no purpose")
	case p.BasicConstraints.CA && len(e.Purposes) > 0 && !e.Constrains:
		f.add("extended_key_usage.purposes", "remove them; constrains: true bounds the purposes of what is below the authority",
			"purposes of a leaf on an authority")
	case !p.BasicConstraints.CA && e.Constrains:
		f.add("extended_key_usage.constrains", "remove it", "only an authority constrains what is below it")
	}
	if p.hasPurpose(anyPurpose) && len(e.Purposes) > 1 {
		f.add("extended_key_usage.purposes", "keep "+anyPurpose+" or the others", "%s makes the other purposes meaningless", anyPurpose)
	}
	p.checkPurposeRules(f)
}

func (p *Profile) checkPurposeRules(f *faults) {
	e := p.ExtendedKeyUsage
	if p.hasPurpose(stampingPurpose) && !p.BasicConstraints.CA && (len(e.Purposes) > 1 || !e.Critical) {
		f.add("extended_key_usage", "write critical: true and no other purpose", "timeStamping stands alone and is critical (RFC 3161 section 2.3)")
	}
	if p.OCSPNoCheck && !p.hasPurpose(ocspPurpose) {
		f.add("ocsp_no_check", "remove it", "only a responder's certificate, with purpose %s, goes without status", ocspPurpose)
	}
	if p.MustStaple && (!p.hasPurpose(serverPurpose) || !p.Revocation.OCSP) {
		f.add("must_staple", "add purpose serverAuth and revocation.ocsp, or remove it", "a TLS server has to staple what no OCSP responder gives")
	}
	if p.BasicConstraints.CA {
		return
	}
	for i, purpose := range e.Purposes {
		needed := purposeUsages[purpose]
		for kind, names := range p.usagesByKind() {
			if len(needed) > 0 && !slices.ContainsFunc(needed, func(name string) bool { return slices.Contains(names, name) }) {
				f.add(element("extended_key_usage.purposes", i), "allow one of "+listed(needed),
					"%s is of no use to %s keys, whose key_usage is %s", purpose, kind, listed(names))
			}
		}
	}
}

func (p *Profile) checkAuthority(f *faults) {
	b := p.BasicConstraints
	switch {
	case b.PathLength < -1 || b.PathLength > 16:
		f.add("basic_constraints.path_length", "", "%d is not from -1 (open) to 16", b.PathLength)
	case !b.CA && b.PathLength >= 0:
		f.add("basic_constraints.path_length", "remove it, or write ca: true", "only an authority has a path length (RFC 5280 section 4.2.1.9)")
	case b.CA && b.Absent:
		f.add("basic_constraints.absent", "remove it", "an authority without basic constraints is none (RFC 5280 section 4.2.1.9)")
	}
	if b.CA && p.OCSPNoCheck {
		f.add("ocsp_no_check", "remove it", "an authority's status is always asked for")
	}
}

package profile_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/profile"
)

// web is a sound profile of family br.
const web = `name: p
family: br
validity: {min: 1h, max: 90d, default: 30d}
keys: {curves: [P-256]}
key_usage: {all: [digitalSignature]}
extended_key_usage: {purposes: [serverAuth]}
subject: {common_name: none}
san: {min: 1, max: 5, dns: {max: 5}, ip: {max: 1}}
policies: [{id: 2.23.140.1.2.1}]
`

// authority is a sound profile of authorities.
const authority = `name: p
family: private
validity: {min: 1d, max: 5y, default: 1y}
keys: {curves: [P-256]}
key_usage: {all: [keyCertSign, cRLSign]}
basic_constraints: {ca: true, path_length: 0}
subject: {attributes: [{type: CN, required: true}]}
`

func TestParse_RefusesWhatContradictsItself(t *testing.T) {
	t.Parallel()
	for _, base := range []string{sound, web, authority} {
		parse(t, base)
	}
	for _, test := range []struct{ base, replace, by, path, message string }{
		{sound, "name: p", "name: P_", "name", "is not a name"},
		{sound, "name: p", "name: q", "name", "is not the name of the file"},
		{sound, "private", "public", "family", "is not one of br, private"},
		{sound, "private", "private\nbr_lab: true", "br_lab", "laboratory"},
		{sound, "private", "private\nkey_usag: {}", "key_usag", "unknown key"},
		{sound, "private", "private\nfamily: br", "family", "written twice"},
		{sound, "max: 90d", "max: 30m", "validity.max", "shorter than validity.min"},
		{sound, "max: 90d", "max: 0", "validity.max", "is missing"},
		{sound, "min: 1h", "min: 0", "validity.min", "is missing"},
		{sound, "max: 90d", "max: ninety", "validity.max", "is not a period"},
		{sound, "max: 90d", "max: 1h5d", "validity.max", "is not a period"},
		{sound, "max: 90d", "max: 200y", "validity.max", "century"},
		{sound, "default: 30d", "default: 91d", "validity.default", "outside"},
		{sound, "default: 30d", "default: 30m", "validity.default", "outside"},
		{sound, "default: 30d", "default: 30d, backdate: 1h", "validity.backdate", "end before it is issued"},
		{sound, "{curves: [P-256]}", "{}", "keys", "no kind of key"},
		{sound, "[P-256]", "[P-224]", "keys.curves[0]", "is not one of"},
		{sound, "[P-256]", "[P-256, P-256]", "keys.curves[1]", "twice"},
		{sound, "[P-256]", "[P-256], rsa_min: 1024, rsa_max: 2048", "keys.rsa_min", "1024 is not from 2048"},
		{sound, "[P-256]", "[P-256], rsa_min: 4096, rsa_max: 2048", "keys.rsa_max", "is not from keys.rsa_min"},
		{sound, "[P-256]", "[P-256], rsa_min: 2048", "keys.rsa_max", "is not from keys.rsa_min"},
		{sound, "[digitalSignature]", "[digitalSigning]", "key_usage.all[0]", "is not one of"},
		{sound, "[digitalSignature]", "[digitalSignature, keyEncipherment]", "key_usage.all[1]", "do not serve keyEncipherment"},
		{sound, "{curves: [P-256]}", "{rsa_min: 2048, rsa_max: 2048}\nextensions: []\nbr_lab: false", "", ""},
		{
			sound, "curves: [P-256]}\nkey_usage: {all: [digitalSignature]}", "rsa_min: 2048, rsa_max: 2048}\nkey_usage: {all: [keyAgreement]}",
			"key_usage.all[0]", "do not serve keyAgreement",
		},
		{sound, "[digitalSignature]}", "[digitalSignature], rsa: [keyEncipherment]}", "key_usage.rsa", "keys allows none"},
		{sound, "[digitalSignature]}", "[digitalSignature], ec: [keyEncipherment]}", "key_usage.ec[0]", "do not serve"},
		{sound, "[digitalSignature]}", "[digitalSignature], ec: [encipherOnly]}", "key_usage", "means nothing without keyAgreement"},
		{sound, "[digitalSignature]", "[]", "key_usage", "would have no usage"},
		{sound, "[digitalSignature]", "[keyCertSign]", "key_usage", "no authority"},
		{authority, "[keyCertSign, cRLSign]", "[cRLSign]", "key_usage", "does not sign certificates"},
		{authority, "subject:", "extended_key_usage: {purposes: [serverAuth]}\nsubject:", "extended_key_usage.purposes", "purposes of a leaf on an authority"},
		{authority, ", required: true", "", "subject.attributes", "without a name"},
		{authority, "path_length: 0", "path_length: 0, absent: true", "basic_constraints.absent", "is none"},
		{authority, "path_length: 0", "path_length: 99", "basic_constraints.path_length", "is not from -1"},
		{sound, "private", "private\nbasic_constraints: {path_length: 1}", "basic_constraints.path_length", "only an authority"},
		{sound, "private", "private\nextended_key_usage: {constrains: true, purposes: [codeSigning]}", "extended_key_usage.constrains", "only an authority"},
		{sound, "private", "private\nextended_key_usage: {critical: true}", "extended_key_usage.critical", "no purpose"},
		{sound, "private", "private\nextended_key_usage: {purposes: [serverauth]}", "extended_key_usage.purposes[0]", "is not one of"},
		{sound, "private", "private\nextended_key_usage: {purposes: [1.2.3, 1.2.3]}", "extended_key_usage.purposes[1]", "twice"},
		{sound, "private", "private\nextended_key_usage: {purposes: [anyExtendedKeyUsage, serverAuth]}", "extended_key_usage.purposes", "meaningless"},
		{sound, "private", "private\nextended_key_usage: {purposes: [timeStamping]}", "extended_key_usage", "stands alone and is critical"},
		{sound, "private", "private\nocsp_no_check: true", "ocsp_no_check", "responder"},
		{sound, "private", "private\nmust_staple: true", "must_staple", "staple"},
		{sound, "[digitalSignature]}", "[contentCommitment]}\nextended_key_usage: {purposes: [codeSigning]}", "extended_key_usage.purposes[0]", "is of no use to EC keys"},
		{sound, "private", "private\nsubject: {others: drop}", "subject.others", "is not one of"},
		{sound, "private", "private\nsubject: {attributes: [{type: XX}]}", "subject.attributes[0].type", "no known attribute"},
		{sound, "private", "private\nsubject: {attributes: [{type: CN}, {type: 2.5.4.3}]}", "subject.attributes[1].type", "twice"},
		{sound, "private", "private\nsubject: {common_name: none, attributes: [{type: CN}]}", "subject.common_name", "not certified"},
		{sound, "private", "private\nsubject: {common_name: san}", "subject.common_name", "not listed"},
		{sound, "private", "private\nsubject: {attributes: [{type: CN, value: '{dns}'}]}", "subject.attributes[0].value", "never be filled in"},
		{sound, "private", "private\nsubject: {attributes: [{type: CN, value: '{name}'}]}", "subject.attributes[0].value", "is not one of"},
		{sound, "private", "private\nsubject: {attributes: [{type: CN, value: '{cn'}]}", "subject.attributes[0].value", "brace"},
		{sound, "private", "private\nsubject: {attributes: [{type: C, value: Switzerland}]}", "subject.attributes[0].value", "longer than the 2"},
		{sound, "private", "private\nsubject: {attributes: [{type: C, value: ch}]}", "subject.attributes[0].value", "no country"},
		{sound, "private", "private\nsubject: {attributes: [{type: O, value: A, max: 2}]}", "subject.attributes[0].max", "there once"},
		{sound, "private", "private\nsubject: {attributes: [{type: O, pattern: '('}]}", "subject.attributes[0].pattern", "no regular expression"},
		{sound, "private", "private\nsubject: {attributes: [{type: O, pattern: 'a^b'}]}", "subject.attributes[0].pattern", "can never match"},
		{sound, "private", "private\nsubject: {attributes: [{type: O, pattern: 'a$b'}]}", "subject.attributes[0].pattern", "can never match"},
		{sound, "private", "private\nsubject: {attributes: [{type: C, pattern: '[A-Z]{3}'}]}", "subject.attributes[0].pattern", "can never match"},
		{sound, "private", "private\nsubject: {attributes: [{type: O, value: A, pattern: 'B'}]}", "subject.attributes[0].pattern", "does not match the fixed value"},
		{sound, "private", "private\nsan: {max: 1}", "san.max", "the kinds allow 0"},
		{sound, "private", "private\nsan: {min: 2, max: 1, dns: {max: 1}}", "san.max", "less than san.min"},
		{sound, "private", "private\nsan: {max: 1000, dns: {max: 1}}", "san.max", "more than 250"},
		{sound, "private", "private\nsan: {max: 1, dns: {min: 1, max: 1}, ip: {min: 1, max: 1}}", "san.max", "2 names that the kinds ask for"},
		{sound, "private", "private\nsan: {max: 1, dns: {min: 2, max: 1}}", "san.dns.max", "less than san.dns.min"},
		{sound, "private", "private\nsan: {max: 1, dns: {max: 1}, ip: {patterns: [10.0.0.0/8]}}", "san.ip.patterns", "none is allowed"},
		{sound, "private", "private\nsan: {max: 1, uri: {max: 1, wildcards: true}}", "san.uri.wildcards", "only host names"},
		{sound, "private", "private\nsan: {max: 1, dns: {max: 1, patterns: ['*.Example.com']}}", "san.dns.patterns[0]", "can never match"},
		{sound, "private", "private\nsan: {max: 1, dns: {max: 1, patterns: ['*.a_b.com']}}", "san.dns.patterns[0]", "can never match"},
		{sound, "private", "private\nsan: {max: 1, dns: {max: 1, patterns: ['.example.com']}}", "san.dns.patterns[0]", "can never match"},
		{sound, "private", "private\nsan: {max: 1, dns: {max: 1, patterns: ['']}}", "san.dns.patterns[0]", "can never match"},
		{sound, "private", "private\nsan: {max: 1, ip: {max: 1, patterns: [10.0.0.1/8]}}", "san.ip.patterns[0]", "it is 10.0.0.0/8"},
		{sound, "private", "private\nsan: {max: 1, ip: {max: 1, patterns: [ten]}}", "san.ip.patterns[0]", "can never match"},
		{sound, "private", "private\nsan: {max: 1, uri: {max: 1, patterns: ['example.org/*']}}", "san.uri.patterns[0]", "can never match"},
		{sound, "private", "private\nsan: {max: 1, email: {max: 1, patterns: ['*@Example.com']}}", "san.email.patterns[0]", "can never match"},
		{sound, "private", "private\nsan: {max: 1, upn: {max: 1, patterns: ['a@b@c']}}", "san.upn.patterns[0]", "can never match"},
		{sound, "private", "private\nname_constraints: {permitted: {dns: [example.com]}}", "name_constraints", "only an authority"},
		{authority, "private", "private\nname_constraints: {permitted: {dns: [a.example.com]}, excluded: {dns: [example.com]}}", "name_constraints.permitted.dns[0]", "is excluded"},
		{authority, "private", "private\nname_constraints: {permitted: {ip: [10.1.0.0/16]}, excluded: {ip: [10.0.0.0/8]}}", "name_constraints.permitted.ip[0]", "is excluded"},
		{authority, "private", "private\nname_constraints: {critical: false, permitted: {dns: [example.com]}}", "name_constraints.critical", "must not pass over"},
		{authority, "private", "private\nname_constraints: {permitted: {ip: [10.1.0.0]}}", "name_constraints.permitted.ip[0]", "no prefix"},
		{authority, "private", "private\nname_constraints: {permitted: {dns: ['*.example.com']}}", "name_constraints.permitted.dns[0]", "no domain"},
		{sound, "private", "private\npolicies: [{id: x}]", "policies[0].id", "no object identifier"},
		{sound, "private", "private\npolicies: [{id: 1.2.3}, {id: 1.2.3}]", "policies[1].id", "twice"},
		{sound, "private", "private\npolicies: [{id: 1.2.3, cps: [ftp://x]}]", "policies[0].cps[0]", "no http"},
		{sound, "private", "private\npolicies: [{id: 2.5.29.32.0}]", "policies[0].id", "authorities"},
		{sound, "private", "private\npolicies: [{id: 2.23.140.1.2.1}]", "policies[0].id", "family private does not"},
		{sound, "private", "private\nextensions: [{id: 1.2.3}]", "extensions[0]", "exactly one of"},
		{sound, "private", "private\nextensions: [{id: 1.2.3, utf8: a, integer: 1}]", "extensions[0]", "exactly one of"},
		{sound, "private", "private\nextensions: [{id: 1.2.3, der: '0500ff'}]", "extensions[0]", "not one DER value"},
		{sound, "private", "private\nextensions: [{id: 1.2.3, der: xyz}]", "extensions[0]", "not hexadecimal"},
		{sound, "private", "private\nextensions: [{id: 1.2.3, ia5: ü}]", "extensions[0]", "not ASCII"},
		{sound, "private", "private\nextensions: [{id: 1.9.x, 'null': true}]", "extensions[0]", "no object identifier"},
		{sound, "private", "private\nextensions: [{id: 2.5.29.15, 'null': true}]", "extensions[0].id", "is not for this list"},
		{sound, "private", "private\nextensions: [{id: 1.2.3, 'null': true}, {id: 1.2.3, 'null': true}]", "extensions[1].id", "twice"},
		{sound, "private", "private\nsignature_hash: SHA-1", "signature_hash", "is not one of"},
		{sound, "private", "private\nlint: {native: maybe}", "lint.native", "is not one of"},
		{sound, "private", "private\napproval: {count: 1}", "approval.expires", "wait for ever"},
		{sound, "private", "private\napproval: {expires: 1d}", "approval.expires", "no request waits"},
		{sound, "private", "private\napproval: {count: 99, expires: 1d}", "approval.count", "is not from 0"},
		{sound, "private", "private\naccess: {roles: ['']}", "access.roles[0]", "empty"},
		{sound, "private", "private\naccess: {clients: [a, a]}", "access.clients[1]", "twice"},
		{sound, "private", "private\nrenewal: {window: 31d}", "renewal.window", "before it begins"},
		{sound, "private", "private\nacme: true", "acme", "host names and addresses, of which"},
		{sound, "private", "private\nacme: true\napproval: {count: 1, expires: 1d}\nsan: {max: 1, dns: {max: 1}}", "acme", "does not wait"},
		{sound, "private", "private\nacme: true\nsan: {max: 2, dns: {max: 1}, uri: {min: 1, max: 1}}", "acme", "alone"},
		{authority, "private", "private\nacme: true", "acme", "no authorities"},

		{web, "max: 90d", "max: 201d", "validity.max", "longer than the 200d"},
		{web, "default: 30d", "default: 30d, backdate: 3d, ahead: 1d", "validity", "TLS BR 7.1.2.7"},
		{web, "[P-256]", "[P-256], ed25519: true", "keys.ed25519", "Ed25519 is not among"},
		{web, "[serverAuth]", "[anyExtendedKeyUsage]", "extended_key_usage.purposes", "is forbidden"},
		{web, "[serverAuth]", "[serverAuth, clientAuth]", "extended_key_usage.purposes", "serverAuth alone"},
		{web, "br\n", "br\nlint: {native: warn}\n", "lint.native", "are not issued"},
		{web, "common_name: none", "common_name: none, attributes: [{type: OU}]", "subject.attributes[0]", "organizational unit"},
		{web, "common_name: none", "common_name: free", "subject.common_name", "one of the alternative names"},
		{web, "common_name: none", "common_name: none, attributes: [{type: O}]", "subject.attributes[0]", "does not belong"},
		{web, "2.23.140.1.2.1", "2.23.140.1.2.2", "subject.attributes", "needs C"},
		{web, "2.23.140.1.2.1", "2.23.140.1.2.2", "subject.attributes", "needs a locality or a state"},
		{web, "{id: 2.23.140.1.2.1}", "", "policies", "0 of the reserved"},
		{web, "{id: 2.23.140.1.2.1}", "{id: 2.23.140.1.2.1}, {id: 2.23.140.1.1}", "policies", "2 of the reserved"},
		{web, "min: 1, max: 5,", "max: 5,", "san.min", "is required"},
		{web, "ip: {max: 1}", "uri: {max: 1}", "san.uri.max", "only host names and addresses"},
		{web, "dns: {max: 5}", "dns: {max: 5, patterns: ['*.corp.local']}", "san.dns.patterns[0]", "internal"},
		{web, "ip: {max: 1}", "ip: {max: 1, patterns: [10.0.0.0/8]}", "san.ip.patterns[0]", "reserved"},
		{web, "br\n", "br\nextensions: [{id: 1.2.3, 'null': true, critical: true}]\n", "extensions[0].critical", "no client knows"},
		{web, "br\n", "br\nrevocation: {issuer: false}\n", "revocation.issuer", "must be pointed to"},
		{web, "br\n", "br\nrevocation: {crl: false}\n", "revocation.crl", "short-lived"},
	} {
		require.Contains(t, test.base, test.replace)
		_, err := profile.Parse("p.yaml", []byte(strings.Replace(test.base, test.replace, test.by, 1)), now)
		if test.path == "" {
			require.NoError(t, err)
			continue
		}
		var problems config.Problems
		require.ErrorAs(t, err, &problems, test.by)
		found := false
		for _, problem := range problems {
			assert.Equal(t, "p.yaml", problem.File)
			found = found || problem.Path == test.path && strings.Contains(problem.Message, test.message)
		}
		assert.True(t, found, "%q gave\n%s", test.by, problems)
	}
}

func TestParse_ReportsEveryFaultAtOnceWithItsPlace(t *testing.T) {
	t.Parallel()
	text := `name: p
family: privat
validity: {min: 1h, max: 90d, default: 91d}
keys: {curves: [P256]}
keyusage: {all: [digitalSignature]}
lint: {native: eror}
`
	_, err := profile.Parse("p.yaml", []byte(text), now)
	var problems config.Problems
	require.ErrorAs(t, err, &problems)
	lines := map[string]int{}
	for _, problem := range problems {
		lines[problem.Path] = problem.Line
	}
	assert.Equal(t, 2, lines["family"])
	assert.Equal(t, 3, lines["validity.default"])
	assert.Equal(t, 4, lines["keys.curves[0]"])
	assert.Equal(t, 5, lines["keyusage"])
	assert.Equal(t, 6, lines["lint.native"])
	for _, suggestion := range []string{`did you mean "private"?`, `did you mean "P-256"?`, `did you mean "key_usage"?`, `did you mean "error"?`} {
		assert.Contains(t, err.Error(), suggestion)
	}
}

func TestLoad_BuiltIn(t *testing.T) {
	t.Parallel()
	set, err := profile.Load("", now)
	require.NoError(t, err)
	assert.Len(t, set.Names(), 22)
	for _, name := range set.Names() {
		p, err := set.Find(name)
		require.NoError(t, err)
		assert.NotEmpty(t, p.Description)
		assert.Contains(t, p.Text(), "name: "+name)
	}
	for _, name := range []string{"ssh-host", "ssh-user"} {
		_, err := set.Find(name)
		require.ErrorContains(t, err, "OpenSSH certificates")
		folder := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(folder, name+".yaml"), []byte("name: "+name), 0o600))
		_, err = profile.Load(folder, now)
		require.ErrorContains(t, err, "issues OpenSSH certificates, which this program does not issue")
	}
	_, err = set.Find("tls")
	require.ErrorContains(t, err, `there is no profile "tls"; there are code-signing, `)
}

func TestLoad_AFolderAddsAndReplaces(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
	}
	write("p.yaml", sound)
	write("device.yml", strings.Replace(sound, "name: p", "name: device", 1))
	write("notes.txt", "no profile")
	set, err := profile.Load(folder, now)
	require.NoError(t, err)
	assert.Len(t, set.Names(), 23)
	p, err := set.Find("device")
	require.NoError(t, err)
	assert.Equal(t, []string{"P-256"}, p.Keys.Curves)

	write("a.yaml", "name: a")
	write("b.yaml", "- a list")
	_, err = profile.Load(folder, now)
	var problems config.Problems
	require.ErrorAs(t, err, &problems)
	assert.Contains(t, err.Error(), "a.yaml")
	assert.Contains(t, err.Error(), "b.yaml")

	_, err = profile.Load(filepath.Join(folder, "absent"), now)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.False(t, errors.As(err, &problems) && len(problems) == 0)
}

// What is allowed today and will not be is told, and goes on working: the date cuts the default.
func TestLoad_WarnsOfLimitsToCome(t *testing.T) {
	t.Parallel()
	set, err := profile.Load("", now)
	require.NoError(t, err)
	warnings := strings.Join(set.Warnings(), "\n")
	assert.Contains(t, warnings, "profile tls-server: validity.max 200d is more than the 100d allowed from 2027-03-15 (TLS BR 6.3.2)")
	assert.Contains(t, warnings, "profile tls-server: validity.max 200d is more than the 47d allowed from 2029-03-15")
	assert.NotContains(t, warnings, "internal-tls")

	p := builtin(t, "tls-server")
	for day, want := range map[string]int{"2026-11-22": 90, "2027-03-15": 90, "2029-03-14": 90, "2029-03-15": 47, "2040-01-01": 47} {
		at, err := time.Parse(time.DateOnly, day)
		require.NoError(t, err)
		at = at.Add(time.Hour)
		intent, err := p.Apply(request(t, "P-256", nil, hosts("www.example.com")), profile.Asked{}, at)
		require.NoError(t, err)
		assert.Equal(t, time.Duration(want)*24*time.Hour-time.Second, intent.NotAfter.Sub(intent.NotBefore), day)
	}
	_, err = profile.Parse("p.yaml", []byte(strings.Replace(web, "max: 90d", "max: 101d", 1)), time.Date(2027, 3, 15, 0, 0, 0, 0, time.UTC))
	require.ErrorContains(t, err, "longer than the 100d")
	_, err = profile.Parse("p.yaml", []byte(strings.Replace(web, "max: 90d", "max: 101d", 1)), time.Date(2027, 3, 14, 23, 59, 59, 0, time.UTC))
	require.NoError(t, err)
}

func TestPeriod_WritesWhatItReads(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"90d": "90d", "1y": "365d", "1d12h": "1d12h", "36h": "1d12h", "90m": "1h30m", "10s": "10s", "0": "0s", "1y1d1h1m1s": "366d1h1m1s"} {
		var p, again profile.Period
		require.NoError(t, p.UnmarshalText([]byte(text)))
		assert.Equal(t, want, p.String())
		require.NoError(t, again.UnmarshalText([]byte(p.String())))
		assert.Equal(t, p, again)
	}
	for _, text := range []string{"", "d", "1", "1x", "-1d", "+1d", "1h1d", "1d1d", "1.5d", "1d ", "99999999999d", "101y", "100y1d"} {
		var p profile.Period
		require.Error(t, p.UnmarshalText([]byte(text)), text)
	}
}

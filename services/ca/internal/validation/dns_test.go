package validation_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/validation"
)

// resolverDouble is a recursive resolver on this machine, over UDP and TCP, that answers with the records, written as in a zone file, of the question's
// name and all others that handle adds.
func resolverDouble(t *testing.T, handle func(w dns.ResponseWriter, r *dns.Msg)) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	packets, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", l.Addr().String())
	require.NoError(t, err)
	for _, server := range []*dns.Server{{Listener: l, Handler: dns.HandlerFunc(handle)}, {PacketConn: packets, Handler: dns.HandlerFunc(handle)}} {
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = server.ActivateAndServe()
		}()
		<-started
		t.Cleanup(func() {
			_ = server.Shutdown()
			<-done
		})
	}
	return l.Addr().String()
}

// answering answers every question with the records, and the code.
func answering(t *testing.T, rcode int, change func(*dns.Msg), records ...string) func(dns.ResponseWriter, *dns.Msg) {
	t.Helper()
	var parsed []dns.RR
	for _, text := range records {
		r, err := dns.NewRR(text)
		require.NoError(t, err)
		parsed = append(parsed, r)
	}
	return func(w dns.ResponseWriter, r *dns.Msg) {
		m := new(dns.Msg).SetRcode(r, rcode)
		m.Answer = parsed
		if change != nil {
			change(m)
		}
		_ = w.WriteMsg(m)
	}
}

func resolver(t *testing.T, handle func(dns.ResponseWriter, *dns.Msg)) *validation.DNS {
	t.Helper()
	d, err := validation.NewDNS(validation.DNSConfig{Address: resolverDouble(t, handle), Timeout: time.Second})
	require.NoError(t, err)
	return d
}

func lookup(t *testing.T, err error) *validation.LookupError {
	t.Helper()
	var failed *validation.LookupError
	require.ErrorAs(t, err, &failed)
	return failed
}

func TestDNS_ReadsRecords(t *testing.T) {
	t.Parallel()
	d := resolver(t, answering(t, dns.RcodeSuccess, nil,
		"www.example.com. 60 IN CNAME Host.example.net.", "host.example.net. 60 IN A 192.0.2.1", "host.example.net. 60 IN AAAA 2001:db8::1",
		`host.example.net. 60 IN TXT "one " "text"`, `host.example.net. 60 IN CAA 128 issue "ca.example.net"`, "stranger.example. 60 IN A 10.0.0.1",
	))
	addresses, err := d.LookupNetIP(t.Context(), "ip", "www.example.com")
	require.NoError(t, err)
	assert.ElementsMatch(t, []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}, addresses)
	texts, err := d.LookupTXT(t.Context(), "www.example.com")
	require.NoError(t, err)
	assert.Equal(t, []string{"one text"}, texts)
	caa, err := d.LookupCAA(t.Context(), "www.example.com")
	require.NoError(t, err)
	assert.Equal(t, []validation.CAA{{Flag: 128, Tag: "issue", Value: "ca.example.net"}}, caa)
}

func TestDNS_ServfailIsAFailureAndAMissingNameIsNot(t *testing.T) {
	t.Parallel()
	for rcode, want := range map[int]validation.Reason{
		dns.RcodeServerFailure: validation.LookupFailed, dns.RcodeRefused: validation.LookupFailed, dns.RcodeNameError: validation.LookupNoName, dns.RcodeSuccess: validation.LookupNoData,
	} {
		d := resolver(t, answering(t, rcode, nil))
		_, err := d.LookupTXT(t.Context(), "www.example.com")
		assert.Equal(t, want, lookup(t, err).Reason)
		_, err = d.LookupNetIP(t.Context(), "ip", "www.example.com")
		assert.Equal(t, want, lookup(t, err).Reason)
		found, err := d.LookupCAA(t.Context(), "www.example.com")
		if want == validation.LookupFailed {
			assert.Equal(t, want, lookup(t, err).Reason)
		} else {
			require.NoError(t, err)
			assert.Empty(t, found)
		}
	}
}

func TestDNS_OneFamilyThatFailsIsNoAnswer(t *testing.T) {
	t.Parallel()
	right := answering(t, dns.RcodeSuccess, nil, "www.example.com. 60 IN A 192.0.2.1")
	wrong := answering(t, dns.RcodeServerFailure, nil)
	d := resolver(t, func(w dns.ResponseWriter, r *dns.Msg) {
		if r.Question[0].Qtype == dns.TypeAAAA {
			wrong(w, r)
			return
		}
		right(w, r)
	})
	_, err := d.LookupNetIP(t.Context(), "ip", "www.example.com")
	assert.Equal(t, validation.LookupFailed, lookup(t, err).Reason)
}

func TestDNS_RefusesAnswersToOtherQuestions(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*dns.Msg){
		"another name": func(m *dns.Msg) { m.Question[0].Name = "other.example." },
		"another type": func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeMX },
		"no question":  func(m *dns.Msg) { m.Question = nil },
		"a question":   func(m *dns.Msg) { m.Response = false },
		"another id":   func(m *dns.Msg) { m.Id++ },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := resolver(t, answering(t, dns.RcodeSuccess, change, `www.example.com. 60 IN TXT "forged"`))
			_, err := d.LookupTXT(t.Context(), "www.example.com")
			assert.Equal(t, validation.LookupTrouble, lookup(t, err).Reason)
		})
	}
}

func TestDNS_AsksOverTCPWhatIsCutOff(t *testing.T) {
	t.Parallel()
	long := answering(t, dns.RcodeSuccess, nil, "www.example.com. 60 IN TXT "+strings.Repeat("x", 250))
	cut := answering(t, dns.RcodeSuccess, func(m *dns.Msg) { m.Truncated = true })
	d := resolver(t, func(w dns.ResponseWriter, r *dns.Msg) {
		if w.RemoteAddr().Network() == "udp" {
			cut(w, r)
			return
		}
		long(w, r)
	})
	texts, err := d.LookupTXT(t.Context(), "www.example.com")
	require.NoError(t, err)
	assert.Equal(t, []string{strings.Repeat("x", 250)}, texts)
}

func TestDNS_AliasesDoNotGoRoundForEver(t *testing.T) {
	t.Parallel()
	d := resolver(t, answering(t, dns.RcodeSuccess, nil, "a.example. 60 IN CNAME b.example.", "b.example. 60 IN CNAME a.example."))
	_, err := d.LookupTXT(t.Context(), "a.example")
	assert.Equal(t, validation.LookupTrouble, lookup(t, err).Reason)
	_, err = d.LookupCAA(t.Context(), "a.example")
	require.Error(t, err, "what cannot be followed allows nobody")
}

func TestDNS_EndsInTime(t *testing.T) {
	t.Parallel()
	d := resolver(t, func(dns.ResponseWriter, *dns.Msg) {})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := d.LookupTXT(ctx, "www.example.com")
	assert.Equal(t, validation.LookupTrouble, lookup(t, err).Reason)
}

func TestDNS_TellsWhetherTheResolverValidates(t *testing.T) {
	t.Parallel()
	root := ". 60 IN SOA a.root-servers.net. nstld.verisign-grs.com. 1 1800 900 604800 86400"
	assert.Error(t, resolver(t, answering(t, dns.RcodeSuccess, nil, root)).Validating(t.Context()))
	validating := resolver(t, answering(t, dns.RcodeSuccess, func(m *dns.Msg) { m.AuthenticatedData = true }, root))
	assert.NoError(t, validating.Validating(t.Context()))
}

func TestDNS_AsksOverTLSWhereTheResolverIsElsewhere(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"192.0.2.53:53", "8.8.8.8:53", "localhost:53", "127.0.0.1", ""} {
		_, err := validation.NewDNS(validation.DNSConfig{Address: address})
		assert.Error(t, err, address)
	}
	certificate := challengeCertificate(t, []string{"dns.example"}, func(c *x509.Certificate) { c.ExtraExtensions = nil })
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13})
	require.NoError(t, err)
	server := &dns.Server{Listener: l, Handler: dns.HandlerFunc(answering(t, dns.RcodeSuccess, nil, `www.example.com. 60 IN TXT "x"`))}
	go func() { _ = server.ActivateAndServe() }()
	t.Cleanup(func() { _ = server.Shutdown() })
	stranger, err := validation.NewDNS(validation.DNSConfig{Address: l.Addr().String(), Name: "dns.example", Timeout: time.Second})
	require.NoError(t, err)
	_, err = stranger.LookupTXT(t.Context(), "www.example.com")
	assert.Equal(t, validation.LookupTrouble, lookup(t, err).Reason, "its certificate is nobody's that is trusted")

	leaf, err := x509.ParseCertificate(certificate.Certificate[0])
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	for known, right := range map[string]bool{"dns.example": true, "other.example": false} {
		d, err := validation.NewDNS(validation.DNSConfig{
			Address: l.Addr().String(), Name: known, Timeout: 5 * time.Second, TLS: tlsconfig.ClientConfig(roots),
		})
		require.NoError(t, err)
		_, err = d.LookupTXT(t.Context(), "www.example.com")
		assert.Equal(t, right, err == nil, "%s: %v", known, err)
	}
}

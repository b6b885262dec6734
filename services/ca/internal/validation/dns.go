package validation

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

const (
	// udpSize is what is asked for over UDP: no fragment on any path (DNS Flag Day 2020).
	udpSize = 1232
	// maxAliases is how many CNAME records in a row are followed.
	maxAliases = 16
	// defaultExchange bounds one question to the resolver.
	defaultExchange = 5 * time.Second
	// tries is how often a question is put.
	tries = 2
)

// DNS asks one recursive resolver that validates DNSSEC (RFC 4035 section 4.9): over UDP and TCP on this machine, or over TLS (RFC 7858)
// elsewhere, so that nobody on the way can answer in its place. It implements Resolver.
type DNS struct {
	address string
	udp     *dns.Client // nil over TLS
	stream  *dns.Client
}

// DNSConfig says which resolver is asked.
type DNSConfig struct {
	// Address is the resolver's, with a port: of this machine ("127.0.0.1:53"), or for Name.
	Address string
	// Name is the name in the certificate of a resolver that is asked over TLS; "" without TLS, for a resolver on this machine.
	Name string
	// TLS is for Name; nil for TLS 1.3 and the system's roots.
	TLS *tls.Config
	// Timeout bounds one question (5 s).
	Timeout time.Duration
}

// NewDNS makes a resolver; nothing is asked yet.
func NewDNS(c DNSConfig) (*DNS, error) {
	address, err := netip.ParseAddrPort(c.Address)
	if err != nil {
		return nil, fmt.Errorf("the resolver's address %q is not an address with a port", c.Address)
	}
	if c.Timeout <= 0 {
		c.Timeout = defaultExchange
	}
	if c.Name == "" {
		if !address.Addr().IsLoopback() {
			return nil, fmt.Errorf("the resolver %s is not on this machine: it must be asked over TLS, and needs a name", c.Address)
		}
		return &DNS{
			address: c.Address, udp: &dns.Client{Net: "udp", Timeout: c.Timeout, UDPSize: udpSize}, stream: &dns.Client{Net: "tcp", Timeout: c.Timeout},
		}, nil
	}
	config := c.TLS.Clone()
	if config == nil {
		config = tlsconfig.ClientConfig(nil)
	}
	config.ServerName = c.Name
	return &DNS{address: c.Address, stream: &dns.Client{Net: "tcp-tls", Timeout: c.Timeout, TLSConfig: config}}, nil
}

// Validating returns nil if the resolver says of the root zone, which is signed, that it has validated it.
func (d *DNS) Validating(ctx context.Context) error {
	answer, err := d.ask(ctx, ".", dns.TypeSOA)
	if err != nil {
		return fmt.Errorf("ask whether the resolver validates: %w", err)
	}
	if !answer.AuthenticatedData {
		return fmt.Errorf("the resolver %s does not validate DNSSEC: it answers about the root zone without the AD bit", d.address)
	}
	return nil
}

// LookupNetIP implements Resolver.
func (d *DNS) LookupNetIP(ctx context.Context, _, name string) ([]netip.Addr, error) {
	var found []netip.Addr
	var failures []error
	for _, kind := range []uint16{dns.TypeAAAA, dns.TypeA} {
		records, err := d.records(ctx, name, kind)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		for _, r := range records {
			var raw net.IP
			switch r := r.(type) {
			case *dns.A:
				raw = r.A
			case *dns.AAAA:
				raw = r.AAAA
			}
			if address, ok := netip.AddrFromSlice(raw); ok {
				found = append(found, address.Unmap())
			}
		}
	}
	for _, err := range failures { // of one kind there may be no record; anything else is no answer
		var lookup *LookupError
		if len(found) == 0 || !errors.As(err, &lookup) || lookup.Reason != LookupNoData {
			return nil, err
		}
	}
	return found, nil
}

// LookupTXT implements Resolver.
func (d *DNS) LookupTXT(ctx context.Context, name string) ([]string, error) {
	records, err := d.records(ctx, name, dns.TypeTXT)
	if err != nil {
		return nil, err
	}
	var texts []string
	for _, r := range records {
		if txt, ok := r.(*dns.TXT); ok {
			texts = append(texts, strings.Join(txt.Txt, ""))
		}
	}
	return texts, nil
}

// LookupCAA implements Resolver.
func (d *DNS) LookupCAA(ctx context.Context, name string) ([]CAA, error) {
	records, err := d.records(ctx, name, dns.TypeCAA)
	var lookup *LookupError
	if errors.As(err, &lookup) && (lookup.Reason == LookupNoName || lookup.Reason == LookupNoData) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var found []CAA
	for _, r := range records {
		if caa, ok := r.(*dns.CAA); ok {
			found = append(found, CAA{Flag: caa.Flag, Tag: caa.Tag, Value: caa.Value})
		}
	}
	return found, nil
}

// records asks for one type and returns the records at the end of the chain of aliases, at least one.
func (d *DNS) records(ctx context.Context, name string, kind uint16) ([]dns.RR, error) {
	failed := &LookupError{Name: name, Type: dns.TypeToString[kind]}
	answer, err := d.ask(ctx, dns.Fqdn(name), kind)
	if err != nil {
		failed.Reason, failed.Err = LookupTrouble, err
		return nil, failed
	}
	switch answer.Rcode {
	case dns.RcodeSuccess:
	case dns.RcodeNameError:
		failed.Reason = LookupNoName
		return nil, failed
	default:
		failed.Reason, failed.Err = LookupFailed, errors.New(dns.RcodeToString[answer.Rcode])
		return nil, failed
	}
	found, err := atEnd(answer.Answer, dns.Fqdn(name), kind)
	if err != nil {
		failed.Reason, failed.Err = LookupTrouble, err
		return nil, failed
	}
	if len(found) == 0 {
		failed.Reason = LookupNoData
		return nil, failed
	}
	return found, nil
}

// atEnd follows aliases from a name and returns the records of the type there. Records of other names are none of the answer.
func atEnd(answer []dns.RR, name string, kind uint16) ([]dns.RR, error) {
	for range maxAliases {
		var found []dns.RR
		next := ""
		for _, r := range answer {
			if !strings.EqualFold(r.Header().Name, name) || r.Header().Class != dns.ClassINET {
				continue
			}
			if alias, ok := r.(*dns.CNAME); ok {
				next = alias.Target
			} else if r.Header().Rrtype == kind {
				found = append(found, r)
			}
		}
		if len(found) > 0 || next == "" {
			return found, nil
		}
		name = next
	}
	return nil, errors.New("too many aliases in a row")
}

// ask puts a question, over a stream if the answer does not fit into a datagram.
func (d *DNS) ask(ctx context.Context, name string, kind uint16) (answer *dns.Msg, err error) {
	for range tries {
		if answer, err = d.exchange(ctx, name, kind); err == nil || ctx.Err() != nil {
			return answer, err
		}
	}
	return nil, err
}

func (d *DNS) exchange(ctx context.Context, name string, kind uint16) (*dns.Msg, error) {
	question := new(dns.Msg).SetQuestion(name, kind) // draws a random id
	question.AuthenticatedData = true                // RFC 6840 section 5.7: say in the answer whether it was validated
	question.SetEdns0(udpSize, false)
	if d.udp != nil {
		answer, _, err := d.udp.ExchangeContext(ctx, question, d.address)
		if err != nil || !answer.Truncated {
			return matching(question, answer, err)
		}
	}
	answer, _, err := d.stream.ExchangeContext(ctx, question, d.address)
	return matching(question, answer, err)
}

// matching makes sure that an answer is one to the question.
func matching(question, answer *dns.Msg, err error) (*dns.Msg, error) {
	if err != nil {
		return nil, err
	}
	asked := question.Question[0]
	if !answer.Response || answer.Id != question.Id || len(answer.Question) != 1 ||
		!strings.EqualFold(answer.Question[0].Name, asked.Name) || answer.Question[0].Qtype != asked.Qtype || answer.Truncated {
		return nil, errors.New("the answer is to another question, or cut off")
	}
	return answer, nil
}

package validation_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/fips"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/validation"
)

func TestMain(m *testing.M) {
	fips.Require()
	m.Run()
}

const (
	token            = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"
	keyAuthorization = token + ".9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"
)

// zone is a resolver with fixed answers. Each look-up of a name's addresses takes its next answer, the last one for ever.
type zone struct {
	mu        sync.Mutex
	addresses map[string][]string
	texts     map[string][]string
	caa       map[string][]validation.CAA
	failing   map[string]bool // names about which the resolver says SERVFAIL
	asked     []string
}

func (z *zone) LookupNetIP(_ context.Context, _, name string) ([]netip.Addr, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.failing[name] {
		return nil, &validation.LookupError{Name: name, Type: "A", Reason: validation.LookupFailed}
	}
	answers := z.addresses[name]
	if len(answers) == 0 {
		return nil, &validation.LookupError{Name: name, Type: "A", Reason: validation.LookupNoName}
	}
	if len(answers) > 1 {
		z.addresses[name] = answers[1:]
	}
	return []netip.Addr{netip.MustParseAddr(answers[0])}, nil
}

func (z *zone) LookupTXT(_ context.Context, name string) ([]string, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.failing[name] {
		return nil, &validation.LookupError{Name: name, Type: "TXT", Reason: validation.LookupFailed}
	}
	if texts, ok := z.texts[name]; ok {
		return texts, nil
	}
	return nil, &validation.LookupError{Name: name, Type: "TXT", Reason: validation.LookupNoName}
}

func (z *zone) LookupCAA(_ context.Context, name string) ([]validation.CAA, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.asked = append(z.asked, name)
	if z.failing[name] {
		return nil, &validation.LookupError{Name: name, Type: "CAA", Reason: validation.LookupFailed}
	}
	return z.caa[name], nil
}

// domain and ip make identifiers.
func domain(t *testing.T, text string) validation.Identifier {
	t.Helper()
	i, err := validation.ParseIdentifier(validation.TypeDNS, text)
	require.NoError(t, err)
	return i
}

func ip(t *testing.T, address string) validation.Identifier {
	t.Helper()
	i, err := validation.ParseIdentifier(validation.TypeIP, address)
	require.NoError(t, err)
	return i
}

func attempt(method validation.Method, i validation.Identifier) validation.Attempt {
	return validation.Attempt{
		Method: method, Identifier: i, Token: token, KeyAuthorization: keyAuthorization,
		Targets: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("::1/128")},
	}
}

func local(t *testing.T, c validation.LocalConfig) *validation.Local {
	t.Helper()
	if c.Limits == (validation.Limits{}) {
		c.Limits = validation.Limits{Whole: 10 * time.Second, Connect: 5 * time.Second}
	}
	l, err := validation.NewLocal(c)
	require.NoError(t, err)
	return l
}

// hosts resolves the names to this machine.
func hosts(names ...string) *zone {
	z := &zone{addresses: map[string][]string{}, texts: map[string][]string{}, caa: map[string][]validation.CAA{}, failing: map[string]bool{}}
	for _, name := range names {
		z.addresses[name] = []string{"127.0.0.1"}
	}
	return z
}

// serve starts a plain server and returns its port.
func serve(t *testing.T, handler http.HandlerFunc) uint16 {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return portOf(t, s.URL)
}

func portOf(t *testing.T, address string) uint16 {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	require.NoError(t, err)
	return uint16(port)
}

// listen opens a TCP port of this machine until the end of the test.
func listen(t *testing.T) (net.Listener, uint16) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l, portOf(t, "http://"+l.Addr().String())
}

// refused asserts that the error is about the identifier and of the kind.
func refused(t *testing.T, kind validation.Kind, err error) validation.Error {
	t.Helper()
	var refusal *validation.Error
	if !assert.ErrorAs(t, err, &refusal) {
		return validation.Error{}
	}
	assert.Equal(t, kind, refusal.Kind, "%v", err)
	return *refusal
}

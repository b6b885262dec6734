package telemetry

import (
	"context"
	"fmt"
	"net/http"
)

// authorized puts the collector's credential into each request over HTTP.
type authorized struct {
	read      func() (string, error) // nil for none
	transport http.RoundTripper
}

// RoundTrip sends the request once.
func (a authorized) RoundTrip(request *http.Request) (*http.Response, error) {
	if a.read != nil {
		value, err := a.read()
		if err != nil {
			return nil, fmt.Errorf("read the collector's credential: %w", err)
		}
		request = request.Clone(request.Context())
		request.Header.Set("Authorization", value)
	}
	return a.transport.RoundTrip(request)
}

// authorization does the same over gRPC.
type authorization func() (string, error)

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (a authorization) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	value, err := a()
	if err != nil {
		return nil, fmt.Errorf("read the collector's credential: %w", err)
	}
	return map[string]string{"authorization": value}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials.
func (authorization) RequireTransportSecurity() bool { return true }

package ocsp

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Media types (RFC 6960 appendix C).
const (
	RequestType  = "application/ocsp-request"
	ResponseType = "application/ocsp-response"
)

// maxPath bounds a request in a path, in bytes. RFC 5019 section 5 has longer ones posted.
const maxPath = 4096

// DecodePath reads a request from the last part of a GET's path, escaped or not: base64 of its DER (RFC 6960 appendix A.1). Alphabets and padding
// are taken as clients send them, who forget to escape.
func DecodePath(path string) ([]byte, error) {
	if len(path) > maxPath {
		return nil, errors.New("OCSP request: it is too long for a path")
	}
	plain, err := url.PathUnescape(path)
	if err != nil {
		return nil, errors.New("OCSP request: the path is not escaped properly")
	}
	plain = strings.TrimRight(plain, "=")
	plain = strings.NewReplacer("-", "+", "_", "/", " ", "+").Replace(plain)
	der, err := base64.RawStdEncoding.DecodeString(plain)
	if err != nil {
		return nil, errors.New("OCSP request: the path is not base64")
	}
	return der, nil
}

// Freshness says how long an answer may be kept.
type Freshness struct {
	// ProducedAt, NextUpdate are those of the response.
	ProducedAt, NextUpdate time.Time
	// Tag identifies the response.
	Tag string
	// MaxAge is how long caches may keep it at most; it ends at NextUpdate anyway.
	MaxAge time.Duration
}

// SetHeaders writes the headers of RFC 5019 section 6.2, for the answer to a GET without a nonce.
func (f Freshness) SetHeaders(h http.Header, now time.Time) {
	age := max(min(f.MaxAge, f.NextUpdate.Sub(now)), 0)
	h.Set("Cache-Control", "max-age="+strconv.FormatInt(int64(age/time.Second), 10)+", public, no-transform, must-revalidate")
	h.Set("Last-Modified", f.ProducedAt.UTC().Format(http.TimeFormat))
	h.Set("Expires", now.Add(age).UTC().Format(http.TimeFormat))
	h.Set("ETag", `"`+f.Tag+`"`)
}

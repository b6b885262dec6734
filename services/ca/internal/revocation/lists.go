package revocation

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
)

// Lists finds and reads published lists.
type Lists struct {
	lists        ListStore
	certificates CertificateStore
}

// NewLists returns Lists.
func NewLists(lists ListStore, certificates CertificateStore) (*Lists, error) {
	if lists == nil || certificates == nil {
		return nil, errors.New("lists: both stores are required")
	}
	return &Lists{lists: lists, certificates: certificates}, nil
}

// Names of lists in URLs, without ".crl".
const (
	extension     = ".crl"
	nameComplete  = "complete"
	suffixDelta   = "-delta"
	maxShardText  = 3 // digits
	minSerialText = 8 // characters: shorter ones are shards
)

// Find is the list with the name in a URL: "3.crl" and "3-delta.crl" of a shard, "complete.crl" of the whole CA, and by the serial number of
// a certificate, in base64url without padding, the one that tells of it. ErrNotFound where there is none.
func (l *Lists) Find(ctx context.Context, tenant, ca, name string) (List, error) {
	name, ok := strings.CutSuffix(name, extension)
	if !ok {
		return List{}, ErrNotFound
	}
	if name == nameComplete {
		return l.Complete(ctx, tenant, ca)
	}
	number, delta := strings.CutSuffix(name, suffixDelta)
	if shard, ok := parseShard(number); ok {
		return l.lists.Current(ctx, tenant, ca, shard, delta)
	}
	serial, err := base64.RawURLEncoding.Strict().DecodeString(name)
	if err != nil || len(name) < minSerialText {
		return List{}, ErrNotFound
	}
	c, err := l.certificates.Status(ctx, tenant, certificate.Serial(serial).String())
	if err != nil {
		return List{}, err
	}
	if c.CAID != ca {
		return List{}, ErrNotFound
	}
	list, err := l.lists.Current(ctx, tenant, ca, c.Shard, false)
	if errors.Is(err, ErrNotFound) {
		return l.Complete(ctx, tenant, ca)
	}
	return list, err
}

// Complete is the list of all certificates of a CA: of all its shards, or of the only one.
func (l *Lists) Complete(ctx context.Context, tenant, ca string) (List, error) {
	list, err := l.lists.Current(ctx, tenant, ca, Complete, false)
	if errors.Is(err, ErrNotFound) {
		if list, err = l.lists.Current(ctx, tenant, ca, 0, false); err == nil && list.Scoped {
			return List{}, ErrNotFound
		}
	}
	return list, err
}

// parseShard reads a number without leading zeros.
func parseShard(text string) (int, bool) {
	n, err := strconv.ParseUint(text, 10, 16)
	return int(n), err == nil && len(text) <= maxShardText && text == strconv.FormatUint(n, 10)
}

// WriteTo writes the DER of a list part by part. An error after the first part leaves it cut off.
func (l *Lists) WriteTo(ctx context.Context, out io.Writer, list List) error {
	for part := range list.Parts {
		body, err := l.lists.Part(ctx, list.Tenant, list.ID, part)
		if err != nil {
			return fmt.Errorf("read part %d of list %d: %w", part, list.Number, err)
		}
		if _, err := out.Write(body); err != nil {
			return fmt.Errorf("write list: %w", err)
		}
	}
	return nil
}

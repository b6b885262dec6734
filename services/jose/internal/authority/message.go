package authority

import (
	"context"
	"errors"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// MaxInline is how many bytes sign and encrypt take in one request.
const MaxInline = 64 << 10

// Made is a message that was made with a version of a key.
type Made struct {
	Message   string // compact serialization
	Algorithm string
	KeyID     string
	Version   int64
	KID       string
}

// Sign makes a JWS (RFC 7515) with the active version.
func (a *Authority) Sign(ctx context.Context, caller Caller, ref Ref, payload []byte, typ, contentType string) (Made, error) {
	if err := checkInline(payload); err != nil {
		return Made{}, err
	}
	p, held, err := a.use(ctx, caller, OpSign, ref, 0)
	if err != nil {
		return Made{}, err
	}
	defer held.Release()
	header := jws.Header{Algorithm: p.spec.Signature, KeyID: p.version.KID(), Type: typ, ContentType: contentType}
	message, err := jws.Sign(held.Key(), header, payload)
	if err != nil {
		return Made{}, fmt.Errorf("sign: %w", err)
	}
	return p.made(message, p.spec.Signature), nil
}

// Encrypt makes a JWE (RFC 7516) to the active version.
func (a *Authority) Encrypt(ctx context.Context, caller Caller, ref Ref, plaintext []byte, typ, contentType string) (Made, error) {
	if err := checkInline(plaintext); err != nil {
		return Made{}, err
	}
	p, held, err := a.use(ctx, caller, OpEncrypt, ref, 0)
	if err != nil {
		return Made{}, err
	}
	defer held.Release()
	header := jwe.Header{
		Algorithm: p.spec.KeyManagement, Encryption: p.spec.ContentEncryption, KeyID: p.version.KID(), Type: typ, ContentType: contentType,
	}
	message, err := jwe.Encrypt(held.Key(), header, plaintext)
	if err != nil {
		return Made{}, fmt.Errorf("encrypt: %w", err)
	}
	return p.made(message, p.spec.Algorithm), nil
}

func (p permit) made(message, algorithm string) Made {
	return Made{Message: message, Algorithm: algorithm, KeyID: p.key.ID, Version: p.version.Number, KID: p.version.KID()}
}

// Opened is the content of a message that is authentic.
type Opened struct {
	Content     []byte
	Type        string // `typ`
	ContentType string // `cty`
	KeyID       string
	Version     int64
	KID         string
}

// Verify checks a JWS. The header's `kid` finds the version; nothing else in it is believed: the algorithm is the key's own. ref may be empty,
// and otherwise says which key must have signed; typ, unless empty, which `typ` the header must have.
func (a *Authority) Verify(ctx context.Context, caller Caller, ref Ref, message, typ string) (Opened, error) {
	if err := decideScopeUnlessGranted(a, caller, OpVerify); err != nil {
		return Opened{}, err
	}
	header, err := jws.ParseHeader(message)
	if err != nil {
		return Opened{}, malformed(err)
	}
	p, held, err := a.useNamed(ctx, caller, OpVerify, ref, header.KeyID, errVerification)
	if err != nil {
		return Opened{}, err
	}
	defer held.Release()
	payload, header, err := jws.Verify(held.Key(), message, jws.Expect{Algorithm: p.spec.Signature, Type: typ})
	if errors.Is(err, jws.ErrVerification) {
		return Opened{}, errVerification()
	}
	if err != nil {
		return Opened{}, malformed(err)
	}
	return Opened{
		Content: payload, Type: header.Type, ContentType: header.ContentType, KeyID: p.key.ID, Version: p.version.Number, KID: p.version.KID(),
	}, nil
}

// Decrypt opens a JWE as Verify does a JWS. Every cryptographic reason to refuse is the one error decryption_failed.
func (a *Authority) Decrypt(ctx context.Context, caller Caller, ref Ref, message string) (Opened, error) {
	if err := decideScopeUnlessGranted(a, caller, OpDecrypt); err != nil {
		return Opened{}, err
	}
	header, err := jwe.ParseHeader(message)
	if err != nil {
		return Opened{}, malformed(err)
	}
	p, held, err := a.useNamed(ctx, caller, OpDecrypt, ref, header.KeyID, errDecryption)
	if err != nil {
		return Opened{}, err
	}
	defer held.Release()
	plaintext, header, err := jwe.Decrypt(held.Key(), message, jwe.Expect{Algorithm: p.spec.KeyManagement, Encryption: p.spec.ContentEncryption})
	if errors.Is(err, jwe.ErrDecryption) {
		return Opened{}, errDecryption()
	}
	if err != nil {
		return Opened{}, malformed(err)
	}
	return Opened{
		Content: plaintext, Type: header.Type, ContentType: header.ContentType, KeyID: p.key.ID, Version: p.version.Number, KID: p.version.KID(),
	}, nil
}

// decideScopeUnlessGranted refuses, before a message is looked at, a caller whom no scope and no grant can help.
func decideScopeUnlessGranted(a *Authority, caller Caller, op Operation) error {
	if a.grants != nil && caller.Tenant != "" {
		return nil // permitKey decides
	}
	return decideScope(caller, op)
}

// use is permit with the opened key, which the caller must release.
func (a *Authority) use(ctx context.Context, caller Caller, op Operation, ref Ref, number int64) (permit, *lease, error) {
	p, err := a.permit(ctx, caller, op, ref, number)
	if err != nil {
		return permit{}, nil, err
	}
	held, err := a.open(ctx, p.key, p.version)
	return p, held, err
}

// useNamed is use for the version that a `kid` names. A message that names none of ours is refused as one that does not verify; with a key
// named by the caller, after the same decision as one that does. Without a `kid` the caller names the key, and its active version is meant.
func (a *Authority) useNamed(ctx context.Context, caller Caller, op Operation, ref Ref, kid string, foreign func() error) (permit, *lease, error) {
	id, number, ok := ParseKID(kid)
	if kid != "" && !ok || ref == "" && !ok {
		if ref != "" {
			if _, err := a.permit(ctx, caller, op, ref, 0); err != nil {
				return permit{}, nil, err
			}
		} else if err := decideScope(caller, op); err != nil {
			return permit{}, nil, err
		}
		return permit{}, nil, foreign()
	}
	if ref == "" {
		ref = Ref(id)
	} else if ok {
		ring, err := a.permitKey(ctx, &caller, op, ref)
		if err != nil {
			return permit{}, nil, err
		}
		if ring.Key.ID != id {
			return permit{}, nil, foreign()
		}
	}
	return a.use(ctx, caller, op, ref, number)
}

func checkInline(data []byte) error {
	if len(data) > MaxInline {
		return problem.New(problem.PayloadTooLarge, "at most %d bytes fit one request", MaxInline)
	}
	return nil
}

// malformed is the refusal of a message that says something which policy refuses, or that is none. The cause may repeat parts of it.
func malformed(err error) error {
	var coded interface{ ErrorCode() string }
	if !errors.As(err, &coded) {
		return err
	}
	switch code := coded.ErrorCode(); code {
	case "invalid_jws", "invalid_jwe":
		return problem.New(code, "it is no message in compact serialization, or its header is refused").Because(err)
	}
	return err
}

func errVerification() error {
	return problem.New("verification_failed", "the signature does not verify under this key")
}

func errDecryption() error {
	return problem.New("decryption_failed", "the message does not decrypt under this key")
}

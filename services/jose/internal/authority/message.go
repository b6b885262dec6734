package authority

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// MaxInline is how many bytes sign and encrypt take in one request.
const MaxInline = 64 << 10

// Used is a version of a key that made a message, or opened one.
type Used struct {
	Algorithm string
	KeyID     string
	Version   int64
	KID       string
}

func (p permit) used(algorithm string) Used {
	return Used{Algorithm: algorithm, KeyID: p.key.ID, Version: p.version.Number, KID: p.version.KID()}
}

// Made is a message that was made.
type Made struct {
	Message string // compact serialization, or the text of a JSON serialization
	By      []Used // in the order of the signers or recipients; at least one
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

// leases are keys that are released together.
type leases []*lease

func (l leases) release() {
	for _, held := range l {
		held.Release()
	}
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
	p, held, err := a.use(ctx, caller, op, ref, number)
	if ok && problem.Is(err, problem.NotFound) {
		err = foreign() // what the caller named is there: it is the message that names what is not
	}
	return p, held, err
}

// decideScopeUnlessGranted refuses, before a message is looked at, a caller whom no scope and no grant can help.
func decideScopeUnlessGranted(a *Authority, caller Caller, op Operation) error {
	if a.grants != nil && caller.Tenant != "" {
		return nil // permitKey decides
	}
	return decideScope(caller, op)
}

func checkInline(data []byte) error {
	if len(data) > MaxInline {
		return problem.New(problem.PayloadTooLarge, "at most %d bytes fit one request", MaxInline)
	}
	return nil
}

// Members are the members of a JSON object, with numbers as they were written. Nil and an empty text are none.
func Members(pointer string, text []byte) (map[string]any, error) {
	if len(text) == 0 {
		return nil, nil //nolint:nilnil // no members
	}
	reader := json.NewDecoder(bytes.NewReader(text))
	reader.UseNumber()
	var members map[string]any
	if err := reader.Decode(&members); err != nil || reader.Decode(&struct{}{}) != io.EOF {
		return nil, invalid(pointer, "it is no JSON object")
	}
	return members, nil
}

// codeOf is the code of an error that callers may see, and empty for others.
func codeOf(err error) string {
	if coded, ok := errors.AsType[problem.Coded](err); ok {
		return coded.ErrorCode()
	}
	return ""
}

// malformed is the refusal of a message that says something which policy refuses, or that is none. The cause may repeat parts of it.
func malformed(err error) error {
	switch code := codeOf(err); code {
	case "invalid_jws", "invalid_jwe", "invalid_sd_jwt":
		return problem.New(code, "it is no such message, or its header is refused").Because(err)
	}
	return err
}

func errVerification() error {
	return problem.New("verification_failed", "the signature does not verify under this key")
}

func errDecryption() error {
	return problem.New("decryption_failed", "the message does not decrypt under this key")
}

// attempts gathers what became of the parts of a message, each a signature or a recipient, of which one at least must be good.
type attempts struct {
	first error // the refusal of the part that was refused first
}

// refused takes note of a refusal, and returns an error that no other part makes up for.
func (t *attempts) refused(err error) error {
	switch codeOf(err) {
	case "", problem.Sealed, problem.StateUnavailable, problem.Overloaded:
		return err
	}
	if t.first == nil {
		t.first = err
	}
	return nil
}

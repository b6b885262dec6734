package httpapi

import (
	"encoding/json"
	"sync"

	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/jsonscan"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// decode reads a JSON object as the generated type of its schema: for actions whose cryptography costs much more.
func decode[T any](object []byte) (T, error) {
	var ask T
	if err := json.Unmarshal(object, &ask); err != nil {
		return ask, problem.New(problem.ValidationFailed, "the body does not fit the operation").Because(err)
	}
	return ask, nil
}

// readers are of use to every request.
var readers = sync.Pool{New: func() any { return jsonscan.NewReader(nil) }} //nolint:gochecknoglobals // buffers

// readObject reads a flat JSON object: member is called for each, and says false for a name that it does not know.
func readObject(object []byte, member func(r *jsonscan.Reader, name string) (known bool, err error)) error {
	r := readers.Get().(*jsonscan.Reader) //nolint:forcetypeassert // the pool holds nothing else
	defer func() {
		r.Reset(nil) // the text is not kept
		readers.Put(r)
	}()
	r.Reset(object)
	err := r.Object(func(name []byte) error {
		known, err := member(r, string(name))
		if err == nil && !known {
			err = r.Unknown()
		}
		return err
	})
	if err != nil {
		return err
	}
	return r.Close()
}

// readText reads a string member.
func readText(r *jsonscan.Reader, to *string) (bool, error) {
	text, err := r.Text()
	*to = string(text)
	return true, err
}

// readBytes reads a member in base64url.
func readBytes(r *jsonscan.Reader, pointer string, to *[]byte) (bool, error) {
	text, err := r.Text()
	if err == nil {
		*to, err = apivalue.Decode(pointer, text)
	}
	return true, err
}

// readInteger reads an integer member.
func readInteger(r *jsonscan.Reader, to *int64) (_ bool, err error) {
	*to, err = r.Integer()
	return true, err
}

// readContext reads a context.
func readContext(r *jsonscan.Reader, to *keyring.Context) (bool, error) {
	bind := keyring.Context{}
	err := r.Object(func(name []byte) error {
		value, err := r.Text()
		bind[string(name)] = string(value)
		return err
	})
	*to = bind
	return true, err
}

// missing is the error for a member that must be there. The document has asked for it already.
func missing(pointer string) error {
	return problem.New(problem.ValidationFailed, "the body does not fit the operation").With(problem.Field{Pointer: pointer, Detail: "is required"})
}

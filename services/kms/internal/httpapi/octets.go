package httpapi

import (
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/server/jsonscan"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// Headers that say about a body which is not JSON what its members would, and about such an answer what its would.
const (
	headerContext   = "Kms-Context"
	headerInput     = "Kms-Input"
	headerFormat    = "Kms-Format"
	headerType      = "Kms-Typ"
	headerSignature = "Kms-Signature"
	headerVersion   = "Kms-Version"
	headerKey       = "Kms-Elastic-Key-Id"
	headerAlgorithm = "Kms-Algorithm"
)

// Media types.
const (
	typeJSON   = "application/json"
	typeJOSE   = "application/jose" // a JWE or a JWS in compact serialization (RFC 7515 section 9.2.1)
	typeOctets = "application/octet-stream"
)

// octets are how an action reads a body, and gives an answer, that is not JSON.
type octets[I, O any] struct {
	// headers are those that the action reads.
	headers []string
	// read makes the question of a body of the media type and the request's headers.
	read func(header http.Header, mediaType string, body []byte) (I, error)
	// write makes the answer; nil where every answer is JSON.
	write func(header http.Header, answer O) (mediaType string, body []byte, err error)
}

// form finds out what a request has sent and wants: without a word about it, what it has sent is what it wants.
func (o *octets[I, O]) form(r *http.Request, asJSON form[I, O]) (form[I, O], error) {
	mediaType := r.Header.Get("Content-Type")
	if mediaType != typeJSON {
		parsed, _, err := mime.ParseMediaType(mediaType)
		if err != nil {
			return asJSON, problem.New(problem.UnsupportedMediaType, "send JSON or octets").Because(err)
		}
		mediaType = parsed
	}
	chosen := asJSON
	if mediaType == typeJSON {
		for _, name := range o.headers {
			if _, there := r.Header[name]; there {
				return asJSON, problem.New(problem.ValidationFailed, "the header %s is for bodies that are not JSON; it is a member of those that are", name)
			}
		}
	} else {
		chosen.read = func(r *http.Request, body []byte) (I, error) { return o.read(r.Header, mediaType, body) }
	}
	if o.write != nil && o.wantsOctets(r.Header["Accept"], mediaType != typeJSON) {
		chosen.write = o.answer
	}
	return chosen, nil
}

// wantsOctets reads what the sender accepts (RFC 9110 section 12.5.1) as far as there is a choice: JSON, or not.
func (o *octets[I, O]) wantsOctets(accept []string, sent bool) bool {
	var asJSON, asOctets bool
	for _, field := range accept {
		for _, part := range strings.Split(field, ",") {
			name, _, _ := strings.Cut(part, ";")
			switch strings.ToLower(strings.TrimSpace(name)) {
			case typeJSON:
				asJSON = true
			case typeJOSE, typeOctets:
				asOctets = true
			}
		}
	}
	if asJSON != asOctets {
		return asOctets
	}
	return sent
}

func (o *octets[I, O]) answer(w http.ResponseWriter, answer O) error {
	mediaType, body, err := o.write(w.Header(), answer)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // the client has gone; there is nobody to tell
	clear(body)
	return nil
}

// tell names the key and the version in an answer's headers.
func tell(header http.Header, used keyring.Used) {
	header.Set(headerKey, used.ElasticKeyID)
	header.Set(headerVersion, strconv.FormatInt(used.Version, 10))
}

// contextOf reads the header that holds a context.
func contextOf(header http.Header) (keyring.Context, error) {
	if len(header[headerContext]) == 0 {
		return nil, nil
	}
	text, err := keyring.DecodeBytes(header.Get(headerContext))
	if err != nil {
		return nil, badHeader(headerContext, "must be base64url of a JSON object")
	}
	var bind keyring.Context
	r := jsonscan.NewReader(text)
	if _, err = readContext(r, &bind); err == nil {
		err = r.Close()
	}
	if err != nil {
		return nil, badHeader(headerContext, "must be base64url of a JSON object whose values are strings")
	}
	return bind, nil
}

// versionOf reads the header that names a version.
func versionOf(header http.Header) (int64, error) {
	text := header.Get(headerVersion)
	if text == "" {
		return 0, nil
	}
	version, err := strconv.ParseInt(text, 10, 64)
	if err != nil || version < 1 {
		return 0, badHeader(headerVersion, "must be a version's number")
	}
	return version, nil
}

// shapeOf reads the headers that say what a signature goes over and how it is encoded.
func shapeOf(header http.Header) (input, format string, err error) {
	input, format = header.Get(headerInput), header.Get(headerFormat)
	if input != "" && !slices.Contains([]string{"message", "digest", "jws_payload"}, input) {
		return "", "", badHeader(headerInput, "must be message, digest or jws_payload")
	}
	if format != "" && !slices.Contains([]string{"jws", "p1363", "der", "raw"}, format) {
		return "", "", badHeader(headerFormat, "must be jws, p1363, der or raw")
	}
	return input, format, nil
}

func badHeader(name, detail string) error {
	return problem.New(problem.ValidationFailed, "the request's headers do not fit the operation").
		With(problem.Field{Pointer: problem.Pointer("header", name), Detail: "the header parameter " + detail})
}

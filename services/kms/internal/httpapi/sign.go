package httpapi

import (
	"net/http"
	"strconv"

	"github.com/cryptoutil/cryptoutil/libs/server/jsonscan"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

func readSign(object []byte) (ask keyring.SignRequest, err error) {
	var input, format string
	err = readObject(object, func(r *jsonscan.Reader, name string) (bool, error) {
		switch name {
		case "payload":
			return readBytes(r, "/payload", &ask.Payload)
		case "input":
			return readText(r, &input)
		case "format":
			return readText(r, &format)
		case "typ":
			return readText(r, &ask.Type)
		case "version":
			return readInteger(r, &ask.Version)
		}
		return false, nil
	})
	if err == nil && ask.Payload == nil {
		err = missing("/payload")
	}
	ask.Input, ask.Format = shape(input, format)
	return ask, err
}

func readVerify(object []byte) (ask keyring.VerifyRequest, err error) {
	var input, format string
	there := false
	err = readObject(object, func(r *jsonscan.Reader, name string) (bool, error) {
		switch name {
		case "signature":
			there = true
			return readText(r, &ask.Signature)
		case "payload":
			ask.HasPayload = true
			return readBytes(r, "/payload", &ask.Payload)
		case "input":
			return readText(r, &input)
		case "format":
			return readText(r, &format)
		case "typ":
			return readText(r, &ask.Type)
		case "version":
			return readInteger(r, &ask.Version)
		}
		return false, nil
	})
	if err == nil && !there {
		err = missing("/signature")
	}
	ask.Input, ask.Format = shape(input, format)
	return ask, err
}

// shape applies the defaults: a JWS over its payload.
func shape(input, format string) (keyring.Input, keyring.Format) {
	if input == "" {
		input = string(keyring.InputJWSPayload)
	}
	if format == "" {
		format = string(keyring.FormatJWS)
	}
	return keyring.Input(input), keyring.Format(format)
}

// sign is POST /elastic-keys/{id}/sign.
func (h *Operations) sign() action[keyring.SignRequest, keyring.Signed] {
	return action[keyring.SignRequest, keyring.Signed]{
		op: keyring.OpSign, name: "sign", read: readSign,
		do:   h.keys.Sign,
		uses: func(name string, s keyring.Signed) uses { return single(name, s.Used) },
		write: func(out []byte, s keyring.Signed) ([]byte, error) {
			out = append(appendPlain(out, "signature", s.Signature), ',')
			return appendUsed(appendPlain(out, "algorithm", s.Algorithm), s.Used), nil
		},
		octets: &octets[keyring.SignRequest, keyring.Signed]{
			headers: []string{headerInput, headerFormat, headerType, headerVersion},
			read: func(header http.Header, _ string, body []byte) (ask keyring.SignRequest, err error) {
				input, format, err := shapeOf(header)
				if err != nil {
					return ask, err
				}
				ask.Payload, ask.Type = body, header.Get(headerType)
				ask.Input, ask.Format = shape(input, format)
				ask.Version, err = versionOf(header)
				return ask, err
			},
			write: func(header http.Header, s keyring.Signed) (string, []byte, error) {
				tell(header, s.Used)
				header.Set(headerAlgorithm, s.Algorithm)
				if s.Format == keyring.FormatJWS {
					return typeJOSE, []byte(s.Signature), nil
				}
				signature, err := keyring.DecodeBytes(s.Signature)
				return typeOctets, signature, err
			},
		},
	}
}

// verify is POST /elastic-keys/{id}/verify.
func (h *Operations) verify() action[keyring.VerifyRequest, keyring.Verdict] {
	return action[keyring.VerifyRequest, keyring.Verdict]{
		op: keyring.OpVerify, name: "verify", read: readVerify,
		do:    h.keys.Verify,
		uses:  func(name string, v keyring.Verdict) uses { return single(name, v.Used) },
		write: writeVerdict,
		octets: &octets[keyring.VerifyRequest, keyring.Verdict]{
			headers: []string{headerInput, headerFormat, headerType, headerSignature, headerVersion},
			read:    readVerifyOctets,
		},
	}
}

func readVerifyOctets(header http.Header, mediaType string, body []byte) (ask keyring.VerifyRequest, err error) {
	input, format, err := shapeOf(header)
	if err != nil {
		return ask, err
	}
	if ask.Version, err = versionOf(header); err != nil {
		return ask, err
	}
	ask.Type = header.Get(headerType)
	ask.Input, ask.Format = shape(input, format)
	_, signed := header[headerSignature]
	switch {
	case mediaType == typeJOSE && (signed || ask.Format != keyring.FormatJWS):
		return ask, badHeader(headerSignature, "is for a body that is the payload; a body of application/jose is a JWS")
	case mediaType == typeJOSE:
		ask.Signature = string(body)
	case !signed:
		return ask, badHeader(headerSignature, "is required")
	default:
		ask.Signature, ask.Payload, ask.HasPayload = header.Get(headerSignature), body, true
	}
	return ask, nil
}

func writeVerdict(out []byte, v keyring.Verdict) ([]byte, error) {
	out = strconv.AppendBool(append(out, `"valid":`...), v.Valid)
	if v.Version != 0 {
		out = strconv.AppendInt(append(out, `,"version":`...), v.Version, 10)
	}
	if v.Valid && v.Payload != nil {
		out = appendBytes(append(out, ','), "payload", v.Payload)
	}
	return out, nil
}

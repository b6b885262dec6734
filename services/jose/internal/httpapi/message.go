package httpapi

import (
	"context"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/jose/internal/authority"
)

// SignJWS implements POST /jws/sign.
func (h *Operations) SignJWS(ctx context.Context, request SignJWSRequestObject) (SignJWSResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	ask, err := signing(request.Body)
	if err != nil {
		return nil, err
	}
	about(ctx, string(ask.Signers[0].Key), 0)
	made, err := h.authority.Sign(ctx, who, ask)
	if err != nil {
		return nil, err
	}
	return SignJWS200JSONResponse(madeOf(made)), h.usedAll(ctx, "sign", made.By)
}

// signing reads what is to be signed, by one key or by several.
func signing(b *SignRequest) (ask authority.Signing, err error) {
	signers := apivalue.Of(b.Signers)
	if err := eitherOr(b.Key != nil, signers != nil, "signers", b.Typ != nil || b.Cty != nil || b.Header != nil || b.Unprotected != nil || b.CertificateChain != nil); err != nil {
		return ask, err
	}
	if b.Key != nil {
		signers = []Signer{{Key: *b.Key, Typ: b.Typ, Cty: b.Cty, Header: b.Header, Unprotected: b.Unprotected, CertificateChain: b.CertificateChain}}
	}
	ask.Serialization, ask.Detached, ask.Unencoded = string(apivalue.Of(b.Serialization)), apivalue.Of(b.Detached), apivalue.Of(b.Unencoded)
	if ask.Payload, err = apivalue.Decode("/payload", b.Payload); err != nil {
		return ask, err
	}
	for _, s := range signers {
		signer := authority.Signer{
			Key: authority.RefOf(s.Key), Type: apivalue.Of(s.Typ), ContentType: apivalue.Of(s.Cty), Chain: apivalue.Of(s.CertificateChain),
		}
		if signer.Header, err = members("/header", s.Header); err != nil {
			return ask, err
		}
		if signer.Unprotected, err = members("/unprotected", s.Unprotected); err != nil {
			return ask, err
		}
		ask.Signers = append(ask.Signers, signer)
	}
	return ask, nil
}

// eitherOr refuses a request that has both `key` and a list, or neither, or beside the list what stands in it.
func eitherOr(key, list bool, name string, beside bool) error {
	switch {
	case key == list:
		return apivalue.Invalid("/key", "give either key or %s", name)
	case list && beside:
		return apivalue.Invalid("/"+name, "what is said of one of them stands there")
	}
	return nil
}

// members reads an object of which only the authority knows what may stand in it.
func members(pointer string, text *HeaderMembers) (map[string]any, error) {
	if text == nil {
		return nil, nil //nolint:nilnil // none
	}
	return authority.Members(pointer, *text)
}

// EncryptJWE implements POST /jwe/encrypt.
func (h *Operations) EncryptJWE(ctx context.Context, request EncryptJWERequestObject) (EncryptJWEResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	ask, err := encryption(request.Body)
	if err != nil {
		return nil, err
	}
	defer clear(ask.Plaintext)
	about(ctx, string(ask.Recipients[0].Key), 0)
	made, err := h.authority.Encrypt(ctx, who, ask)
	if err != nil {
		return nil, err
	}
	return EncryptJWE200JSONResponse(madeOf(made)), h.usedAll(ctx, "encrypt", made.By)
}

// encryption reads what is to be encrypted, to one key or to several.
func encryption(b *EncryptRequest) (ask authority.Encryption, err error) {
	recipients := apivalue.Of(b.Recipients)
	if err := eitherOr(b.Key != nil, recipients != nil, "recipients", false); err != nil {
		return ask, err
	}
	if b.Key != nil {
		recipients = []Recipient{{Key: *b.Key}}
	}
	ask.Serialization, ask.Type, ask.ContentType = string(apivalue.Of(b.Serialization)), apivalue.Of(b.Typ), apivalue.Of(b.Cty)
	if b.Aad != nil {
		if ask.AAD, err = apivalue.Decode("/aad", *b.Aad); err != nil {
			return ask, err
		}
	}
	if ask.Header, err = members("/header", b.Header); err != nil {
		return ask, err
	}
	if ask.Unprotected, err = members("/unprotected", b.Unprotected); err != nil {
		return ask, err
	}
	for _, r := range recipients {
		recipient := authority.Recipient{Key: authority.RefOf(r.Key)}
		if recipient.Unprotected, err = members("/recipients", r.Unprotected); err != nil {
			return ask, err
		}
		ask.Recipients = append(ask.Recipients, recipient)
	}
	ask.Plaintext, err = apivalue.Decode("/plaintext", b.Plaintext)
	return ask, err
}

func madeOf(m authority.Made) Made {
	first := m.By[0]
	made := Made{Message: m.Message, Algorithm: first.Algorithm, KeyId: first.KeyID, Version: first.Version, Kid: first.KID}
	if len(m.By) > 1 {
		keys := apivalue.Each(m.By, usedOf)
		made.Keys = &keys
	}
	return made
}

func usedOf(u authority.Used) UsedKey {
	return UsedKey{Algorithm: u.Algorithm, KeyId: u.KeyID, Version: u.Version, Kid: u.KID}
}

// optionalUsed is usedOf, or nil for no key.
func optionalUsed(u authority.Used) *UsedKey {
	if u.KeyID == "" {
		return nil
	}
	used := usedOf(u)
	return &used
}

// VerifyJWS implements POST /jws/verify.
func (h *Operations) VerifyJWS(ctx context.Context, request VerifyJWSRequestObject) (VerifyJWSResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	b := request.Body
	about(ctx, apivalue.Of(b.Key), 0)
	ask := authority.Verification{
		Message: b.Message, Key: authority.RefOf(apivalue.Of(b.Key)), Any: apivalue.Of(b.Accept) == Any, Type: apivalue.Of(b.Typ),
		Unencoded: apivalue.Of(b.Unencoded), Chain: apivalue.Of(b.CertificateChain),
	}
	if b.Payload != nil {
		if ask.Payload, err = apivalue.Decode("/payload", *b.Payload); err != nil {
			return nil, err
		}
	}
	signed, err := h.authority.Verify(ctx, who, ask)
	if err != nil {
		return nil, err
	}
	first := signed.Signatures[0]
	answer := VerifyJWS200JSONResponse{
		Payload: apivalue.Encode(signed.Payload), Typ: apivalue.Optional(first.Type), Cty: apivalue.Optional(first.ContentType),
		KeyId: first.KeyID, Version: first.Version, Kid: first.KID,
	}
	if signed.JSON {
		signatures := apivalue.Each(signed.Signatures, signatureOf)
		answer.Signatures = &signatures
	}
	return answer, h.usedAll(ctx, "verify", apivalue.Each(signed.Signatures, func(s authority.Signature) authority.Used { return s.Used }))
}

func signatureOf(s authority.Signature) VerifiedSignature {
	return VerifiedSignature{
		Index: s.Index, Algorithm: s.Algorithm, Typ: apivalue.Optional(s.Type), Cty: apivalue.Optional(s.ContentType),
		KeyId: s.KeyID, Version: s.Version, Kid: s.KID,
	}
}

// DecryptJWE implements POST /jwe/decrypt.
func (h *Operations) DecryptJWE(ctx context.Context, request DecryptJWERequestObject) (DecryptJWEResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	b := request.Body
	about(ctx, apivalue.Of(b.Key), 0)
	opened, err := h.authority.Decrypt(ctx, who, authority.RefOf(apivalue.Of(b.Key)), b.Message)
	if err != nil {
		return nil, err
	}
	defer clear(opened.Plaintext)
	answer := DecryptJWE200JSONResponse{
		Plaintext: apivalue.Encode(opened.Plaintext), Typ: apivalue.Optional(opened.Type), Cty: apivalue.Optional(opened.ContentType),
		KeyId: opened.KeyID, Version: opened.Version, Kid: opened.KID,
	}
	if opened.AAD != nil {
		answer.Aad = apivalue.Optional(apivalue.Encode(opened.AAD))
	}
	return answer, h.used(ctx, "decrypt", opened.KeyID, opened.Version)
}

// Thumbprint implements POST /thumbprints.
func (h *Operations) Thumbprint(_ context.Context, request ThumbprintRequestObject) (ThumbprintResponseObject, error) {
	key, err := jwk.Parse(request.Body.Jwk)
	if err != nil {
		return nil, err
	}
	defer key.Zero()
	if key.IsSymmetric() { // it would be a hash of the secret (RFC 7638 section 7)
		return nil, problem.New("no_public_key", "the key is symmetric; it has no public part")
	}
	return Thumbprint200JSONResponse{Thumbprint: key.ThumbprintSHA256(), Uri: key.ThumbprintURI()}, nil
}

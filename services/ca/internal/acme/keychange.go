package acme

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// keyChange is the payload of the inner message of section 7.3.5.
type keyChange struct {
	Account string          `json:"account"`
	OldKey  json.RawMessage `json:"oldKey"`
}

// ChangeKey gives the account another key, whose holder has signed the message inside (RFC 8555 section 7.3.5).
func (s *Server) ChangeKey(ctx context.Context, m *Message) (Account, error) {
	inner, err := parseMessage(m.Payload)
	if err != nil {
		return Account{}, err
	}
	header := inner.Signatures[0].Protected
	if header.Key == nil {
		return Account{}, NewError(Malformed, `the inner JWS holds the new key as "jwk"`)
	}
	if _, there := header.Extra["nonce"]; there {
		return Account{}, NewError(Malformed, `the inner JWS has no "nonce"`)
	}
	if err := checkURL(header, m.URL); err != nil {
		return Account{}, err
	}
	fresh := &Message{Site: m.Site, URL: m.URL, Key: header.Key}
	if fresh.Payload, err = verifyMessage(inner, header.Key, header.Algorithm); err != nil {
		return Account{}, err
	}
	var ask keyChange
	if err := fresh.decode(&ask); err != nil {
		return Account{}, err
	}
	old, err := jwk.Parse(ask.OldKey)
	if err != nil || old.IsPrivate() || old.ThumbprintSHA256() != m.Account.Thumbprint || ask.Account != m.Site.AccountURL(m.Account.ID) {
		return Account{}, NewError(Malformed, "the inner JWS does not name this account and its key").because(err)
	}
	if err := checkAccountKey(header.Key); err != nil {
		return Account{}, err
	}
	return s.giveKey(ctx, m, header.Key)
}

// giveKey stores the new key.
func (s *Server) giveKey(ctx context.Context, m *Message, key *jwk.Key) (Account, error) {
	text, err := key.MarshalPublic()
	if err != nil {
		return Account{}, fmt.Errorf("encode key of account: %w", err)
	}
	account := m.Account
	account.Key, account.Thumbprint, account.UpdatedAt = string(text), key.ThumbprintSHA256(), s.now()
	if account.Thumbprint == m.Account.Thumbprint {
		return Account{}, NewError(Malformed, "the new key is the old one")
	}
	err = s.change(ctx, m, func(ctx context.Context) error { return s.saveAccount(ctx, account, ActionAccountKeyChange) })
	if !errors.Is(err, ErrKeyTaken) {
		return account, err
	}
	other, err := s.store.AccountByKey(ctx, account.Tenant, account.Directory, account.Thumbprint)
	if err != nil {
		return Account{}, fmt.Errorf("look up account: %w", err)
	}
	refusal := NewError(Malformed, "another account has the key").withStatus(conflict)
	refusal.Location = m.Site.AccountURL(other.ID)
	return Account{}, refusal
}

package acme

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// AccountStatus is the state of an account (RFC 8555 section 7.1.2).
type AccountStatus string

// The states of accounts.
const (
	AccountValid       AccountStatus = "valid"
	AccountDeactivated AccountStatus = "deactivated" // by its owner
	AccountRevoked     AccountStatus = "revoked"     // by the authority
)

// Account is who orders certificates. It belongs to one directory.
type Account struct {
	Tenant, ID, Directory string
	Status                AccountStatus
	// Key is the JSON of the public key, Thumbprint its RFC 7638 thumbprint.
	Key, Thumbprint string
	Contacts        []string
	// Terms is the URL of the terms of service that the account has agreed to; "" for none.
	Terms string
	// ExternalKey is the id of the key by which the account was bound to one elsewhere; "" for none.
	ExternalKey          string
	CreatedAt, UpdatedAt time.Time
	Revision             int64
}

// Limits of contacts.
const (
	maxContacts = 10
	maxContact  = 320 // characters
)

// newAccount is the payload of section 7.3.
type newAccount struct {
	Contact                []string        `json:"contact"`
	TermsOfServiceAgreed   bool            `json:"termsOfServiceAgreed"`
	OnlyReturnExisting     bool            `json:"onlyReturnExisting"`
	ExternalAccountBinding json.RawMessage `json:"externalAccountBinding"`
}

// NewAccount makes an account for the key that signed the request, or returns the one that has it (RFC 8555 section 7.3).
func (s *Server) NewAccount(ctx context.Context, m *Message, address string) (account Account, created bool, err error) {
	var ask newAccount
	if err := m.decode(&ask); err != nil {
		return Account{}, false, err
	}
	thumbprint := m.Key.ThumbprintSHA256()
	account, err = s.store.AccountByKey(ctx, m.Site.Tenant, m.Site.Directory.Name, thumbprint)
	switch {
	case err == nil && account.Status != AccountValid:
		return Account{}, false, NewError(Unauthorized, "the account of this key is %s", account.Status)
	case err == nil:
		return account, false, nil
	case !errors.Is(err, ErrNotFound):
		return Account{}, false, fmt.Errorf("look up account: %w", err)
	case ask.OnlyReturnExisting:
		return Account{}, false, NewError(AccountDoesNotExist, "no account has this key")
	}
	draft, err := s.draftAccount(ctx, m, ask, thumbprint)
	if err != nil {
		return Account{}, false, err
	}
	if err := s.spend(ctx, m.Site, NewAccounts, address); err != nil {
		return Account{}, false, err
	}
	err = s.change(ctx, m, func(ctx context.Context) error { return s.insertAccount(ctx, draft) })
	if errors.Is(err, ErrKeyTaken) { // by the same key at the same moment
		account, err = s.store.AccountByKey(ctx, m.Site.Tenant, m.Site.Directory.Name, thumbprint)
		return account, false, err
	}
	return draft, true, err
}

// draftAccount checks what an account is asked to be.
func (s *Server) draftAccount(ctx context.Context, m *Message, ask newAccount, thumbprint string) (Account, error) {
	directory := m.Site.Directory
	contacts, err := checkContacts(ask.Contact)
	if err != nil {
		return Account{}, err
	}
	if directory.Terms != "" && !ask.TermsOfServiceAgreed {
		return Account{}, NewError(UserActionRequired, "the terms of service at %s must be agreed to", directory.Terms)
	}
	if err := checkAccountKey(m.Key); err != nil {
		return Account{}, err
	}
	key, err := m.Key.MarshalPublic()
	if err != nil {
		return Account{}, fmt.Errorf("encode key of account: %w", err)
	}
	now := s.now()
	draft := Account{
		Tenant: m.Site.Tenant, ID: newID(), Directory: directory.Name, Status: AccountValid, Key: string(key), Thumbprint: thumbprint, Contacts: contacts,
		Terms: directory.Terms, CreatedAt: now, UpdatedAt: now, Revision: 1,
	}
	if len(ask.ExternalAccountBinding) == 0 || string(ask.ExternalAccountBinding) == "null" {
		if directory.ExternalAccounts {
			return Account{}, NewError(ExternalAccountRequired, "an account here needs an external account binding")
		}
		return draft, nil
	}
	draft.ExternalKey, err = s.checkBinding(ctx, m, ask.ExternalAccountBinding)
	return draft, err
}

// checkAccountKey refuses a key that carries attributes which would hinder its use, or is not one that signs.
func checkAccountKey(key *jwk.Key) error {
	if err := key.Permits(jwk.OpVerify); err != nil {
		return NewError(BadPublicKey, "the key is not one for signatures")
	}
	return nil
}

func (s *Server) insertAccount(ctx context.Context, draft Account) error {
	if draft.ExternalKey != "" {
		err := s.store.BindExternalKey(ctx, draft.Tenant, draft.ExternalKey, draft.ID, draft.CreatedAt)
		if errors.Is(err, ErrStale) {
			return refusedBinding()
		}
		if err != nil {
			return fmt.Errorf("bind account: %w", err)
		}
	}
	if err := s.store.InsertAccount(ctx, draft); err != nil {
		return err
	}
	return s.record(ctx, draft.Tenant, ActionAccountCreate, ObjectAccount, draft.ID, draft.Directory)
}

// checkContacts accepts mail addresses (section 7.3): the one scheme that must be known, with one address each and no header fields.
func checkContacts(contacts []string) ([]string, error) {
	if len(contacts) > maxContacts {
		return nil, NewError(InvalidContact, "at most %d contacts", maxContacts)
	}
	for _, contact := range contacts {
		address, ok := strings.CutPrefix(contact, "mailto:")
		if !ok {
			return nil, NewError(UnsupportedContact, "contacts are mailto: URLs")
		}
		parsed, err := mail.ParseAddress(address)
		if err != nil || parsed.Address != address || len(contact) > maxContact || strings.ContainsAny(address, "?,% \t\"") || !isASCII(address) {
			return nil, NewError(InvalidContact, "a contact is mailto: with one plain mail address")
		}
	}
	return contacts, nil
}

func isASCII(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

// accountUpdate is the payload of sections 7.3.2 and 7.3.6.
type accountUpdate struct {
	Contact *[]string `json:"contact"`
	Status  string    `json:"status"`
}

// UpdateAccount reads, changes or deactivates the account that asks (RFC 8555 sections 7.3.2 and 7.3.6).
func (s *Server) UpdateAccount(ctx context.Context, m *Message, id string) (Account, error) {
	if id != m.Account.ID {
		return Account{}, NewError(Unauthorized, "an account is its owner's alone")
	}
	if m.IsRead() {
		return m.Account, nil
	}
	var ask accountUpdate
	if err := m.decode(&ask); err != nil {
		return Account{}, err
	}
	account := m.Account
	action := ActionAccountUpdate
	switch ask.Status {
	case "", string(AccountValid):
		if ask.Contact == nil {
			return account, nil
		}
		var err error
		if account.Contacts, err = checkContacts(*ask.Contact); err != nil {
			return Account{}, err
		}
	case string(AccountDeactivated):
		account.Status, action = AccountDeactivated, ActionAccountDeactivate
	default:
		return Account{}, NewError(Malformed, "an account can be deactivated, and nothing else, by its status")
	}
	account.UpdatedAt = s.now()
	err := s.change(ctx, m, func(ctx context.Context) error {
		if account.Status == AccountDeactivated {
			if err := s.store.CancelOrders(ctx, account.Tenant, account.ID, account.UpdatedAt); err != nil {
				return fmt.Errorf("cancel orders: %w", err)
			}
		}
		return s.saveAccount(ctx, account, action)
	})
	return account, err
}

// saveAccount stores a change of an account.
func (s *Server) saveAccount(ctx context.Context, account Account, action string) error {
	err := s.store.UpdateAccount(ctx, account)
	if errors.Is(err, ErrStale) {
		return NewError(Malformed, "the account was changed at the same time; try again").withStatus(conflict)
	}
	if err != nil {
		return err
	}
	return s.record(ctx, account.Tenant, action, ObjectAccount, account.ID, account.Directory)
}

// OrdersOf lists the URLs of an account's orders, and the id after which the next page begins; "" on the last one (RFC 8555 section 7.1.2.1).
func (s *Server) OrdersOf(ctx context.Context, m *Message, id, after string) (ids []string, next string, err error) {
	if id != m.Account.ID {
		return nil, "", NewError(Unauthorized, "an account's orders are its owner's alone")
	}
	if err := m.MustRead(); err != nil {
		return nil, "", err
	}
	if after != "" && !isID(after) {
		return nil, "", NewError(Malformed, "the cursor is none of this list")
	}
	ids, err = s.store.OrdersOf(ctx, m.Site.Tenant, id, after, s.now(), ordersPage+1)
	if err != nil {
		return nil, "", fmt.Errorf("list orders: %w", err)
	}
	if len(ids) > ordersPage {
		ids = ids[:ordersPage]
		next = ids[ordersPage-1]
	}
	return ids, next, nil
}

// ordersPage is how many orders one answer lists.
const ordersPage = 50

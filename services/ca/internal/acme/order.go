package acme

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/validation"
)

// OrderStatus is the state of an order (RFC 8555 section 7.1.6).
type OrderStatus string

// The states of orders. That one is ready follows from its authorizations and is not stored.
const (
	OrderPending    OrderStatus = "pending"
	OrderReady      OrderStatus = "ready"
	OrderProcessing OrderStatus = "processing"
	OrderValid      OrderStatus = "valid"
	OrderInvalid    OrderStatus = "invalid"
)

// Order asks for one certificate.
type Order struct {
	Tenant, ID, Account, Directory, Profile string

	Status              OrderStatus
	Names               []validation.Identifier
	NotBefore, NotAfter time.Time // as wished; zero for none
	ExpiresAt           time.Time
	// Replaces names the certificate that this order's takes the place of, by the one form of its identifier (RFC 9773 sections 4.1 and 5); "" for none.
	Replaces string
	// Authorizations are in the order of Names.
	Authorizations []Authorization
	CSR            []byte // DER; empty until the order is finalized
	Serial         string // of the certificate; "" until there is one
	Error          *Error
	Attempts       int
	// DueAt is when somebody must work on the order; zero for never. Whoever does moves it ahead, as a claim.
	DueAt                time.Time
	CreatedAt, UpdatedAt time.Time
	Revision             int64
}

// State is the status as of now, and why, where an authorization makes the order invalid.
func (o Order) State(now time.Time) (OrderStatus, *Error) {
	if o.Status != OrderPending {
		return o.Status, o.Error
	}
	if !now.Before(o.ExpiresAt) {
		return OrderInvalid, NewError(Malformed, "the order has expired")
	}
	status := OrderReady
	for _, a := range o.Authorizations {
		switch state := a.State(now); state {
		case AuthorizationValid:
		case AuthorizationPending:
			status = OrderPending
		default:
			return OrderInvalid, NewError(Unauthorized, "the authorization of %s is %s", a.Identifier, state).about(a.Identifier)
		}
	}
	return status, nil
}

// newOrder is the payload of section 7.4, with "profile" (draft-ietf-acme-profiles) and "replaces" (RFC 9773 section 5).
type newOrder struct {
	Identifiers []struct {
		Type  string `json:"type"`
		Value string `json:"value"`
	} `json:"identifiers"`
	NotBefore string `json:"notBefore"`
	NotAfter  string `json:"notAfter"`
	Profile   string `json:"profile"`
	Replaces  string `json:"replaces"`
}

// NewOrder begins an order (RFC 8555 section 7.4).
func (s *Server) NewOrder(ctx context.Context, m *Message) (Order, error) {
	var ask newOrder
	if err := m.decode(&ask); err != nil {
		return Order{}, err
	}
	order, err := s.draftOrder(ctx, m, ask)
	if err != nil {
		return Order{}, err
	}
	if order.Replaces == "" { // RFC 9773 section 5: renewals should not meet limits
		if err := s.spend(ctx, m.Site, NewOrders, m.Account.ID); err != nil {
			return Order{}, err
		}
	}
	fresh, err := s.authorize(ctx, m, &order)
	if err != nil {
		return Order{}, err
	}
	err = s.change(ctx, m, func(ctx context.Context) error { return s.insertOrder(ctx, order, fresh) })
	if errors.Is(err, ErrReplaced) {
		return Order{}, NewError(AlreadyReplaced, "another order replaces the certificate already")
	}
	return order, err
}

// draftOrder checks what is asked for.
func (s *Server) draftOrder(ctx context.Context, m *Message, ask newOrder) (Order, error) {
	profile, ok := m.Site.Directory.profile(ask.Profile)
	if !ok {
		return Order{}, NewError(InvalidProfile, "the directory has no such profile")
	}
	names, err := parseNames(m.Site.Directory, ask)
	if err != nil {
		return Order{}, err
	}
	now := s.now()
	order := Order{
		Tenant: m.Site.Tenant, ID: newID(), Account: m.Account.ID, Directory: m.Site.Directory.Name, Profile: profile.Name, Status: OrderPending, Names: names,
		ExpiresAt: now.Add(m.Site.Directory.pendingLifetime()), CreatedAt: now, UpdatedAt: now, Revision: 1,
	}
	if order.NotBefore, err = parseTime("notBefore", ask.NotBefore); err != nil {
		return Order{}, err
	}
	if order.NotAfter, err = parseTime("notAfter", ask.NotAfter); err != nil {
		return Order{}, err
	}
	if !order.NotAfter.IsZero() && (!order.NotAfter.After(now) || !order.NotAfter.After(order.NotBefore)) {
		return Order{}, NewError(Malformed, "notAfter lies in the past, or not after notBefore")
	}
	if ask.Replaces != "" {
		if err := s.checkReplaced(ctx, m, ask.Replaces, names); err != nil {
			return Order{}, err
		}
		order.Replaces = ask.Replaces
	}
	return order, s.issuer.Permits(ctx, order.application())
}

func (o Order) application() Application {
	return Application{
		Tenant: o.Tenant, Directory: o.Directory, Profile: o.Profile, Account: o.Account, Names: o.Names, NotBefore: o.NotBefore, NotAfter: o.NotAfter,
	}
}

// parseNames reads the identifiers of an order; each is there once, in a fixed order.
func parseNames(directory Directory, ask newOrder) ([]validation.Identifier, error) {
	if len(ask.Identifiers) == 0 || len(ask.Identifiers) > directory.maxNames() {
		return nil, NewError(Malformed, "an order has 1 to %d identifiers", directory.maxNames())
	}
	var names []validation.Identifier
	var problems []Error
	for _, asked := range ask.Identifiers {
		i, problem := parseIdentifier(asked.Type, asked.Value)
		if problem != nil {
			problems = append(problems, *problem)
			continue
		}
		names = append(names, i)
	}
	if refusal := combined(problems); refusal != nil {
		return nil, refusal
	}
	slices.SortFunc(names, func(a, b validation.Identifier) int {
		if a.Type != b.Type {
			return strings.Compare(a.Type, b.Type)
		}
		return strings.Compare(a.Value, b.Value)
	})
	return slices.Compact(names), nil
}

// parseIdentifier reads an identifier, or says what is wrong with it.
func parseIdentifier(kind, value string) (validation.Identifier, *Error) {
	i, err := validation.ParseIdentifier(kind, value)
	asked := validation.Identifier{Type: clip(kind), Value: clip(value)}
	switch {
	case errors.Is(err, validation.ErrIdentifierType):
		return i, NewError(UnsupportedIdentifier, "%v", err).about(asked)
	case err != nil:
		return i, NewError(RejectedIdentifier, "%v", err).about(asked)
	default:
		return i, nil
	}
}

// clip keeps what is repeated to a client short.
func clip(text string) string {
	const longest = 256
	return text[:min(len(text), longest)]
}

func parseTime(what, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, NewError(Malformed, "%s is no RFC 3339 time", what)
	}
	return at.UTC(), nil
}

// authorize gives an order its authorizations: those that are proved already, and new ones, which it returns.
func (s *Server) authorize(ctx context.Context, m *Message, order *Order) ([]Authorization, error) {
	var fresh []Authorization
	var problems []Error
	for _, i := range order.Names {
		a, err := s.store.Proved(ctx, order.Tenant, order.Account, i, order.CreatedAt.Add(provedMargin))
		if errors.Is(err, ErrNotFound) {
			if a, err = s.draftAuthorization(m.Site, order.Account, i); err == nil {
				fresh = append(fresh, a)
			}
		}
		if problem, ok := errors.AsType[*Error](err); ok {
			problems = append(problems, *problem)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("find authorization: %w", err)
		}
		if a.ExpiresAt.Before(order.ExpiresAt) {
			order.ExpiresAt = a.ExpiresAt
		}
		order.Authorizations = append(order.Authorizations, a)
	}
	if refusal := combined(problems); refusal != nil {
		return nil, refusal
	}
	return fresh, nil
}

func (s *Server) insertOrder(ctx context.Context, order Order, fresh []Authorization) error {
	for _, a := range fresh {
		if err := s.store.InsertAuthorization(ctx, a); err != nil {
			return err
		}
	}
	if order.Replaces != "" {
		if err := s.makeWay(ctx, order); err != nil {
			return err
		}
	}
	if err := s.store.InsertOrder(ctx, order); err != nil {
		return err
	}
	return s.record(ctx, order.Tenant, ActionOrderCreate, ObjectOrder, order.ID, order.Profile)
}

// makeWay writes down that an order is invalid which would otherwise be the one that replaces a certificate.
func (s *Server) makeWay(ctx context.Context, order Order) error {
	other, err := s.store.OrderReplacing(ctx, order.Tenant, order.Replaces)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look up replacing order: %w", err)
	}
	state, why := other.State(order.CreatedAt)
	if state != OrderInvalid {
		return ErrReplaced
	}
	other.Status, other.Error, other.UpdatedAt = OrderInvalid, why, order.CreatedAt
	return changedMeanwhile(s.store.UpdateOrder(ctx, other))
}

// order reads an account's own.
func (s *Server) order(ctx context.Context, m *Message, id string) (Order, error) {
	if !isID(id) {
		return Order{}, notFound("order")
	}
	order, err := s.store.Order(ctx, m.Site.Tenant, id)
	if errors.Is(err, ErrNotFound) || err == nil && (order.Account != m.Account.ID || order.Directory != m.Site.Directory.Name) {
		return Order{}, notFound("order")
	}
	if err != nil {
		return Order{}, fmt.Errorf("read order: %w", err)
	}
	return order, nil
}

// Order reads an order.
func (s *Server) Order(ctx context.Context, m *Message, id string) (Order, error) {
	if err := m.MustRead(); err != nil {
		return Order{}, err
	}
	return s.order(ctx, m, id)
}

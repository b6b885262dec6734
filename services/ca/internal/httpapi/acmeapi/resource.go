package acmeapi

import (
	"context"
	"encoding/pem"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/cryptoutil/cryptoutil/libs/server"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/acme"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/validation"
)

// askAgain is when a client should look at something that is being worked on.
const askAgain = time.Second

func (h *handlers) directory(w http.ResponseWriter, r *http.Request) {
	site, err := h.site(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=60")
	write(w, http.StatusOK, contentJSON, viewDirectory(site))
}

// newNonce is section 7.2 of RFC 8555: HEAD gets 200, GET 204.
func (h *handlers) newNonce(w http.ResponseWriter, r *http.Request) {
	site, err := h.site(r)
	if err == nil {
		h.common(w, site)
		err = h.giveNonce(w, site)
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	if r.Method != http.MethodHead {
		w.WriteHeader(http.StatusNoContent)
	}
}

func (h *handlers) renewalInfo(w http.ResponseWriter, r *http.Request) {
	site, err := h.site(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	info, err := h.server.RenewalInfo(r.Context(), site, chi.URLParam(r, "certificate"))
	if err != nil {
		h.fail(w, r, err)
		return
	}
	var v renewalView
	v.SuggestedWindow.Start, v.SuggestedWindow.End = stamp(info.Start), stamp(info.End)
	w.Header().Set("Retry-After", seconds(info.RetryAfter))
	w.Header().Set("Cache-Control", "public, max-age="+seconds(info.RetryAfter))
	write(w, http.StatusOK, contentJSON, v)
}

func (h *handlers) newAccount(ctx context.Context, q signed) error {
	account, created, err := h.server.NewAccount(ctx, q.Message, addressOf(q.r))
	if err != nil {
		return err
	}
	q.w.Header().Set("Location", q.Site.AccountURL(account.ID))
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	write(q.w, status, contentJSON, viewAccount(q.Site, account))
	return nil
}

func (h *handlers) account(ctx context.Context, q signed) error {
	account, err := h.server.UpdateAccount(ctx, q.Message, q.parameter("id"))
	if err != nil {
		return err
	}
	write(q.w, http.StatusOK, contentJSON, viewAccount(q.Site, account))
	return nil
}

func (h *handlers) orders(ctx context.Context, q signed) error {
	id := q.parameter("id")
	ids, next, err := h.server.OrdersOf(ctx, q.Message, id, q.r.URL.Query().Get("cursor"))
	if err != nil {
		return err
	}
	list := struct {
		Orders []string `json:"orders"`
	}{make([]string, len(ids))}
	for i, id := range ids {
		list.Orders[i] = q.Site.OrderURL(id)
	}
	if next != "" {
		q.w.Header().Add("Link", link(q.Site.AccountURL(id)+"/orders?cursor="+url.QueryEscape(next), "next"))
	}
	write(q.w, http.StatusOK, contentJSON, list)
	return nil
}

func (h *handlers) newOrder(ctx context.Context, q signed) error {
	order, err := h.server.NewOrder(ctx, q.Message)
	if err != nil {
		return err
	}
	h.sendOrder(q, order, http.StatusCreated)
	return nil
}

func (h *handlers) order(ctx context.Context, q signed) error {
	order, err := h.server.Order(ctx, q.Message, q.parameter("id"))
	if err != nil {
		return err
	}
	h.sendOrder(q, order, http.StatusOK)
	return nil
}

func (h *handlers) finalize(ctx context.Context, q signed) error {
	order, err := h.server.Finalize(ctx, q.Message, q.parameter("id"))
	if err != nil {
		return err
	}
	h.sendOrder(q, order, http.StatusOK)
	return nil
}

func (h *handlers) sendOrder(q signed, order acme.Order, status int) {
	q.w.Header().Set("Location", q.Site.OrderURL(order.ID))
	v := viewOrder(q.Site, order, h.server.Now())
	if v.Status == acme.OrderProcessing {
		q.w.Header().Set("Retry-After", seconds(askAgain))
	}
	write(q.w, status, contentJSON, v)
}

func (h *handlers) newAuthorization(ctx context.Context, q signed) error {
	a, created, err := h.server.NewAuthorization(ctx, q.Message)
	if err != nil {
		return err
	}
	q.w.Header().Set("Location", q.Site.AuthorizationURL(a.ID))
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	write(q.w, status, contentJSON, viewAuthorization(q.Site, a, h.server.Now()))
	return nil
}

func (h *handlers) authorization(ctx context.Context, q signed) error {
	a, err := h.server.Authorization(ctx, q.Message, q.parameter("id"))
	if err != nil {
		return err
	}
	if !a.DueAt.IsZero() {
		q.w.Header().Set("Retry-After", seconds(askAgain))
	}
	write(q.w, http.StatusOK, contentJSON, viewAuthorization(q.Site, a, h.server.Now()))
	return nil
}

func (h *handlers) challenge(ctx context.Context, q signed) error {
	a, c, err := h.server.Challenge(ctx, q.Message, q.parameter("id"), validation.Method(q.parameter("method")))
	if err != nil {
		return err
	}
	q.w.Header().Add("Link", link(q.Site.AuthorizationURL(a.ID), "up"))
	if c.Status == acme.ChallengeProcessing {
		q.w.Header().Set("Retry-After", seconds(askAgain))
	}
	write(q.w, http.StatusOK, contentJSON, viewChallenge(q.Site, a, c))
	return nil
}

// certificate sends a chain as PEM (RFC 8555 section 9.1), and names the others.
func (h *handlers) certificate(ctx context.Context, q signed) error {
	serial, number := q.parameter("serial"), 0
	if text := q.parameter("number"); text != "" {
		var err error
		if number, err = strconv.Atoi(text); err != nil || number < 1 || strconv.Itoa(number) != text {
			number = -1 // there is none
		}
	}
	chain, count, err := h.server.Certificate(ctx, q.Message, serial, number)
	if err != nil {
		return err
	}
	for other := range count {
		if other == number {
			continue
		}
		address := q.Site.CertificateURL(serial)
		if other > 0 {
			address += "/" + strconv.Itoa(other)
		}
		q.w.Header().Add("Link", link(address, "alternate"))
	}
	var text []byte
	for _, der := range chain {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	q.w.Header().Set("Content-Type", contentChain)
	q.w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = q.w.Write(text) // the client is gone if it fails
	return nil
}

func (h *handlers) revoke(ctx context.Context, q signed) error {
	if err := h.server.Revoke(ctx, q.Message); err != nil {
		return err
	}
	q.w.Header().Set("Content-Length", "0")
	q.w.WriteHeader(http.StatusOK)
	return nil
}

func (h *handlers) keyChange(ctx context.Context, q signed) error {
	account, err := h.server.ChangeKey(ctx, q.Message)
	if err != nil {
		return err
	}
	q.w.Header().Set("Location", q.Site.AccountURL(account.ID))
	write(q.w, http.StatusOK, contentJSON, viewAccount(q.Site, account))
	return nil
}

func (q signed) parameter(name string) string { return chi.URLParam(q.r, name) }

// addressOf is the client's, as limits know it: of an IPv6 address the network, which is one client's (RFC 4291 section 2.5.4).
func addressOf(r *http.Request) string {
	const network = 64
	address := server.AddressFrom(r.Context())
	if prefix, err := address.Prefix(network); address.Is6() && err == nil {
		return prefix.String()
	}
	return address.String()
}

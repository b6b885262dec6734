package login

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const (
	// formKeyLabel derives the key of the tokens from the barrier.
	formKeyLabel = "login form token v1"
	formKeySize  = 32
	// browserIDSize is the length of the random value that a browser without a session is told from others by.
	browserIDSize = 32
	// formLifetime is how long a form may stay open.
	formLifetime = 4 * time.Hour
	// formSkew is how far ahead another replica's clock may be.
	formSkew = time.Minute
	timeSize = 8
)

// formToken makes the token of a form: the time, and a MAC over the form's purpose, tenant, the browser it was made for, and the time.
func (v *visit) formToken(purpose string) (string, error) {
	at := binary.BigEndian.AppendUint64(nil, uint64(v.pages.cfg.Now().UnixMicro()))
	mac, err := v.formMAC(purpose, at)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(append(at, mac...)), nil
}

// genuine tells whether the posted form is one of ours, made for this browser and purpose, and not too old.
func (v *visit) genuine(purpose string) (bool, error) {
	token, ok := decode(v.field("form_token"), timeSize+sha256.Size)
	if !ok || v.browserID == "" {
		return false, nil
	}
	want, err := v.formMAC(purpose, token[:timeSize])
	if err != nil {
		return false, err
	}
	age := v.pages.cfg.Now().Sub(time.UnixMicro(int64(binary.BigEndian.Uint64(token)))) //nolint:gosec // checked by its MAC
	return hmac.Equal(want, token[timeSize:]) && age >= -formSkew && age < formLifetime, nil
}

// decode reads base64url of this many bytes.
func decode(text string, size int) ([]byte, bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return raw, err == nil && len(raw) == size
}

func (v *visit) formMAC(purpose string, at []byte) ([]byte, error) {
	key, err := v.pages.cfg.Keys.DeriveKey(formKeyLabel, formKeySize)
	if err != nil {
		return nil, fmt.Errorf("form token: %w", err)
	}
	defer clear(key)
	mac := hmac.New(sha256.New, key)
	for _, part := range []string{purpose, v.tenant, v.browserID, string(at)} {
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		mac.Write([]byte(part))
	}
	return mac.Sum(nil), nil
}

// formCookie is the name of the cookie that tells one browser from another before there is a session. It is not a session's name.
func (v *visit) formCookie() string {
	return "__Host-form-" + strings.TrimPrefix(v.pages.cfg.Sessions.CookieName(v.tenant), "__Host-")
}

// knowBrowser finds what the forms of this visit are bound to: the session, or without one the browser's own cookie. issue has a browser that
// has none get one.
func (v *visit) knowBrowser(issue bool) error {
	if v.who != nil {
		v.browserID = "session " + v.who.SessionID
		return nil
	}
	if found := v.r.CookiesNamed(v.formCookie()); len(found) == 1 {
		if _, ok := decode(found[0].Value, browserIDSize); ok {
			v.browserID = "browser " + found[0].Value
			return nil
		}
	}
	if !issue {
		return nil
	}
	raw := make([]byte, browserIDSize)
	if _, err := rand.Read(raw); err != nil {
		return fmt.Errorf("form token: %w", err)
	}
	value := base64.RawURLEncoding.EncodeToString(raw)
	v.browserID = "browser " + value
	v.setFormCookie(value, 0)
	return nil
}

func (v *visit) setFormCookie(value string, maxAge int) {
	http.SetCookie(v.w, &http.Cookie{
		Name: v.formCookie(), Value: value, Path: "/", MaxAge: maxAge, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

package secrethash

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// maxText is the length of the longest text that is looked at.
const maxText = 512

// parsed is the content of a hash's text.
type parsed struct {
	version  int
	function function
	rounds   int    // of PBKDF2; in a deterministic registry the policy's
	salt     []byte // of a random registry
	sum      []byte
}

// text writes the hash as a registry of the kind does.
func (h *parsed) text(kind Kind) string {
	version := "{" + strconv.Itoa(h.version) + "}:"
	switch {
	case kind.deterministic():
		return version + encode(h.sum)
	case kind.slow():
		return version + "PBKDF2-HMAC-" + h.function.label + ":rounds=" + strconv.Itoa(h.rounds) + ",salt=" + encode(h.salt) + ":" + encode(h.sum)
	default:
		return version + "HKDF-HMAC-" + h.function.label + ":salt=" + encode(h.salt) + ":" + encode(h.sum)
	}
}

// parse reads what text wrote, and nothing else: no other spelling, and no parameters below the floors.
func parse(kind Kind, text string) (parsed, error) {
	if len(text) > maxText {
		return parsed{}, ErrFormat
	}
	number, rest, found := strings.Cut(text, ":")
	number, opened := strings.CutPrefix(number, "{")
	number, closed := strings.CutSuffix(number, "}")
	version, ok := decimal(number)
	if !found || !opened || !closed || !ok {
		return parsed{}, ErrFormat
	}
	h := parsed{version: version}
	if kind.deterministic() {
		h.sum, ok = decode(rest)
		var known bool
		h.function, known = functionBySize(len(h.sum))
		if !ok || !known {
			return parsed{}, ErrFormat
		}
		return h, nil
	}
	parts := strings.Split(rest, ":")
	if len(parts) != 3 || !h.readAlgorithm(kind, parts[0]) || !h.readParameters(kind, parts[1]) {
		return parsed{}, ErrFormat
	}
	if h.sum, ok = decode(parts[2]); !ok || len(h.sum) != h.function.size {
		return parsed{}, ErrFormat
	}
	return h, nil
}

func (h *parsed) readAlgorithm(kind Kind, text string) bool {
	prefix := "HKDF-HMAC-"
	if kind.slow() {
		prefix = "PBKDF2-HMAC-"
	}
	label, ours := strings.CutPrefix(text, prefix)
	var known bool
	h.function, known = functionByLabel(label)
	return ours && known
}

func (h *parsed) readParameters(kind Kind, text string) bool {
	if kind.slow() {
		rounds, rest, found := strings.Cut(text, ",")
		rounds, named := strings.CutPrefix(rounds, "rounds=")
		var ok bool
		h.rounds, ok = decimal(rounds)
		if !found || !named || !ok || h.rounds < h.function.minRounds || h.rounds > maxRounds {
			return false
		}
		text = rest
	}
	salt, named := strings.CutPrefix(text, "salt=")
	var ok bool
	h.salt, ok = decode(salt)
	return named && ok && len(h.salt) >= minSalt && len(h.salt) <= maxSalt
}

// decimal reads a positive number in its shortest form.
func decimal(text string) (int, bool) {
	n, err := strconv.Atoi(text)
	return n, err == nil && n > 0 && strconv.Itoa(n) == text
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func decode(text string) ([]byte, bool) {
	if strings.ContainsAny(text, "\r\n") { // the decoder would skip them
		return nil, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return b, err == nil
}

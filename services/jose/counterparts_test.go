package jose_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/testkit"
)

// held is a key as somebody else has it, under the name that it has here, for one algorithm.
type held struct {
	jwk       object
	algorithm string
}

// signed is what a JWS is made of, or is expected to hold.
type signed struct {
	payload             string
	form                string // compact, flattened or general
	typ                 string
	detached, unencoded bool
	keys                []held
}

// sealed is the same for a JWE.
type sealed struct {
	plaintext, aad, cty string
	form                string
	encryption          string
	keys                []held
}

// counterpart is an implementation that is not ours.
type counterpart interface {
	// letter stands for it in the tables of docs/interoperability.md.
	letter() string
	sign(what signed) (message string, err error)
	verify(message string, what signed) (payload string, err error)
	encrypt(what sealed) (message string, err error)
	decrypt(message string, what sealed) (plaintext string, err error)
}

// program is one that answers each line with a line.
type program struct {
	turn sync.Mutex
	in   *json.Encoder
	out  *json.Decoder
}

// start runs a program until the end of the test.
func start(t *testing.T, command *exec.Cmd) *program {
	t.Helper()
	in, err := command.StdinPipe()
	require.NoError(t, err)
	out, err := command.StdoutPipe()
	require.NoError(t, err)
	command.Stderr = os.Stderr
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		_ = in.Close() // ends it
		_, _ = io.Copy(io.Discard, out)
		assert.NoError(t, command.Wait())
	})
	return &program{in: json.NewEncoder(in), out: json.NewDecoder(bufio.NewReader(out))}
}

func (p *program) ask(request object, answer any) error {
	p.turn.Lock()
	defer p.turn.Unlock()
	if err := p.in.Encode(request); err != nil {
		return err
	}
	return p.out.Decode(answer)
}

// goJOSE is go-jose v4, outside enforcement: the program beside package jwe's own tests.
type goJOSE struct{ *program }

func startGoJOSE(t *testing.T) goJOSE {
	t.Helper()
	built := filepath.Join(t.TempDir(), "peer")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", built, "./testdata/peer")
	build.Dir = filepath.Join("..", "..", "libs", "crypto", "jwe")
	output, err := build.CombinedOutput()
	require.NoError(t, err, "%s", output)
	command := exec.CommandContext(context.WithoutCancel(t.Context()), built) // its end comes with that of its input
	command.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GODEBUG=") }), "GODEBUG=fips140=off")
	return goJOSE{start(t, command)}
}

func (goJOSE) letter() string { return "J" }

func (g goJOSE) do(request object) (string, error) {
	var answer struct{ Text, Error string }
	if err := g.ask(request, &answer); err != nil {
		return "", err
	}
	if answer.Error != "" {
		return "", errors.New(answer.Error)
	}
	return answer.Text, nil
}

// keys are JWKs that say what they are for, as go-jose has the names.
func (goJOSE) keys(of []held) (out []object) {
	for _, key := range of {
		named := object{"alg": oldName(key.algorithm)}
		for member, value := range key.jwk {
			if member != "alg" && member != "use" && member != "key_ops" {
				named[member] = value
			}
		}
		out = append(out, named)
	}
	return out
}

func (g goJOSE) sign(what signed) (string, error) {
	form := what.form
	if form != "compact" {
		form = "json"
	}
	return g.do(object{
		"operation": "sign-form", "form": form, "detached": what.detached, "unencoded": what.unencoded, "text": what.payload, "typ": what.typ, "keys": g.keys(what.keys),
	})
}

func (g goJOSE) verify(message string, what signed) (string, error) {
	request := object{"operation": "verify-form", "form": what.form, "text": message, "detached": what.detached, "keys": g.keys(what.keys)}
	if what.detached {
		request["aad"] = what.payload
	}
	return g.do(request)
}

func (g goJOSE) encrypt(what sealed) (string, error) {
	keys := g.keys(what.keys)
	request := object{"operation": "encrypt-json", "encryption": what.encryption, "text": what.plaintext, "aad": what.aad, "keys": keys}
	if what.form == "compact" {
		request["operation"], request["key"], request["algorithm"], request["cty"] = "encrypt", keys[0], what.keys[0].algorithm, what.cty
	}
	return g.do(request)
}

func (g goJOSE) decrypt(message string, what sealed) (string, error) {
	keys := g.keys(what.keys)
	request := object{"operation": "decrypt-json", "encryption": what.encryption, "text": message, "aad": what.aad, "keys": keys}
	if what.form == "compact" {
		request["operation"], request["key"], request["algorithm"] = "decrypt", keys[0], what.keys[0].algorithm
	}
	return g.do(request)
}

// oldName is what those call an algorithm who do not know RFC 9864.
func oldName(algorithm string) string {
	if algorithm == "Ed25519" {
		return "EdDSA"
	}
	return algorithm
}

// jwCrypto is jwcrypto, in Python.
type jwCrypto struct{ *program }

func startJWCrypto(t *testing.T) jwCrypto {
	t.Helper()
	python := testkit.RequireTool(t, "/usr/bin/python3") // the one that Debian's packages are for
	if err := exec.CommandContext(t.Context(), python, "-c", "import jwcrypto").Run(); err != nil {
		testkit.Missing(t, "the package python3-jwcrypto is not installed")
	}
	return jwCrypto{start(t, exec.CommandContext(context.WithoutCancel(t.Context()), python, "testdata/peer.py"))}
}

func (jwCrypto) letter() string { return "W" }

// value asks for something else than a text.
func (j jwCrypto) value(request object, to any) error {
	var answer struct {
		Value json.RawMessage
		Error string
	}
	if err := j.ask(request, &answer); err != nil {
		return err
	}
	if answer.Error != "" {
		return errors.New(answer.Error)
	}
	return json.Unmarshal(answer.Value, to)
}

func (j jwCrypto) do(request object) (text string, err error) {
	err = j.value(request, &text)
	return text, err
}

func (jwCrypto) keys(of []held) (keys []object, algorithms []string) {
	for _, key := range of {
		keys, algorithms = append(keys, key.jwk), append(algorithms, oldName(key.algorithm))
	}
	return keys, algorithms
}

func (j jwCrypto) sign(what signed) (string, error) {
	keys, algorithms := j.keys(what.keys)
	return j.do(object{
		"operation": "sign", "form": what.form, "typ": what.typ, "detached": what.detached, "unencoded": what.unencoded, "payload": encoded(what.payload),
		"keys": keys, "algorithms": algorithms,
	})
}

func (j jwCrypto) verify(message string, what signed) (string, error) {
	keys, algorithms := j.keys(what.keys)
	request := object{"operation": "verify", "message": message, "keys": keys, "algorithms": algorithms}
	if what.detached {
		request["payload"] = encoded(what.payload)
	}
	return decodedText(j.do(request))
}

func (j jwCrypto) encrypt(what sealed) (string, error) {
	keys, algorithms := j.keys(what.keys)
	request := object{
		"operation": "encrypt", "form": what.form, "encryption": what.encryption, "payload": encoded(what.plaintext), "cty": what.cty,
		"keys": keys, "algorithms": algorithms,
	}
	if what.aad != "" {
		request["aad"] = encoded(what.aad)
	}
	return j.do(request)
}

func (j jwCrypto) decrypt(message string, what sealed) (string, error) {
	keys, algorithms := j.keys(what.keys)
	request := object{"operation": "decrypt", "encryption": what.encryption, "message": message, "keys": keys, "algorithms": algorithms}
	if what.aad != "" {
		request["aad"] = encoded(what.aad)
	}
	return decodedText(j.do(request))
}

func decodedText(text string, err error) (string, error) {
	if err != nil {
		return "", err
	}
	octets, err := base64.RawURLEncoding.DecodeString(text)
	return string(octets), err
}

package jwe_test

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// foreign says whether the independent library has the algorithm: of RSA-OAEP it has SHA-256 alone.
func foreign(spec alg.Spec) bool {
	return spec.KeyManagement != "RSA-OAEP-384" && spec.KeyManagement != "RSA-OAEP-512"
}

// texts returns the JSON form of the key that encrypts and of the one that decrypts.
func texts(t *testing.T, key *jwk.Key) (encrypter, decrypter []byte) {
	t.Helper()
	decrypter, err := key.MarshalPrivate()
	require.NoError(t, err)
	if key.IsSymmetric() {
		return decrypter, decrypter
	}
	encrypter, err = key.MarshalPublic()
	require.NoError(t, err)
	return encrypter, decrypter
}

// header asks for party information where the algorithm has it, so that its place in the key
// derivation is compared too.
func header(spec alg.Spec) jwe.Header {
	h := jwe.Header{Algorithm: spec.KeyManagement, Encryption: spec.ContentEncryption}
	if spec.KeyType == alg.KeyTypeEC {
		h.PartyUInfo, h.PartyVInfo = []byte("Alice"), []byte("Bob")
	}
	return h
}

// What the independent library can do under FIPS 140-3 enforcement runs in this process.
func TestInterop_UnderEnforcement(t *testing.T) {
	t.Parallel()
	for _, spec := range encryptionSpecs() {
		if !foreign(spec) || !strings.Contains(spec.ContentEncryption, "CBC") || strings.Contains(spec.KeyManagement, "GCM") {
			continue
		}
		t.Run(name(spec), func(t *testing.T) {
			t.Parallel()
			key := newKey(t, spec)
			encrypterText, decrypterText := texts(t, key)
			var encrypterKey, decrypterKey jose.JSONWebKey
			require.NoError(t, json.Unmarshal(encrypterText, &encrypterKey))
			require.NoError(t, json.Unmarshal(decrypterText, &decrypterKey))

			ours, err := jwe.Encrypt(key, header(spec), []byte("from us"))
			require.NoError(t, err)
			parsed, err := jose.ParseEncryptedCompact(ours, []jose.KeyAlgorithm{jose.KeyAlgorithm(spec.KeyManagement)}, []jose.ContentEncryption{jose.ContentEncryption(spec.ContentEncryption)})
			require.NoError(t, err)
			plaintext, err := parsed.Decrypt(decrypterKey.Key)
			require.NoError(t, err)
			assert.Equal(t, "from us", string(plaintext))

			encrypter, err := jose.NewEncrypter(jose.ContentEncryption(spec.ContentEncryption), jose.Recipient{Algorithm: jose.KeyAlgorithm(spec.KeyManagement), Key: encrypterKey.Key}, nil)
			require.NoError(t, err)
			theirs, err := encrypter.Encrypt([]byte("from them"))
			require.NoError(t, err)
			compact, err := theirs.CompactSerialize()
			require.NoError(t, err)
			plaintext, _, err = jwe.Decrypt(key, compact, jwe.Expect{Algorithm: spec.KeyManagement, Encryption: spec.ContentEncryption})
			require.NoError(t, err)
			assert.Equal(t, "from them", string(plaintext))
		})
	}
}

// peer is the running program of testdata/peer.
type peer struct {
	t    *testing.T
	in   *json.Encoder
	out  *json.Decoder
	stop func()
}

func startPeer(t *testing.T) *peer {
	t.Helper()
	if testing.Short() {
		t.Skip("the peer program takes seconds to build: skipped under -short")
	}
	program := filepath.Join(t.TempDir(), "peer")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./testdata/peer")
	output, err := build.CombinedOutput()
	require.NoError(t, err, "%s", output)

	run := exec.CommandContext(t.Context(), program)
	run.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GODEBUG=") }), "GODEBUG=fips140=off")
	run.Stderr = os.Stderr
	in, err := run.StdinPipe()
	require.NoError(t, err)
	out, err := run.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, run.Start())
	return &peer{t, json.NewEncoder(in), json.NewDecoder(bufio.NewReader(out)), func() {
		assert.NoError(t, in.Close())
		assert.NoError(t, run.Wait())
	}}
}

func (p *peer) do(operation string, spec alg.Spec, key []byte, text string) string {
	p.t.Helper()
	return p.ask(spec.Algorithm, map[string]any{
		"operation": operation, "algorithm": spec.KeyManagement, "encryption": spec.ContentEncryption,
		"key": json.RawMessage(key), "text": text,
	})
}

func (p *peer) ask(about string, request map[string]any) string {
	p.t.Helper()
	require.NoError(p.t, p.in.Encode(request))
	var answer struct{ Text, Error string }
	require.NoError(p.t, p.out.Decode(&answer))
	require.Empty(p.t, answer.Error, "%s %s", request["operation"], about)
	return answer.Text
}

// Every pair of algorithms, both directions, against the independent library outside enforcement.
func TestInterop_EveryPair(t *testing.T) {
	t.Parallel()
	p := startPeer(t)
	defer p.stop()
	pairs := 0
	for _, spec := range encryptionSpecs() {
		if !foreign(spec) {
			continue
		}
		key := newKey(t, spec)
		encrypter, decrypter := texts(t, key)
		h := header(spec)
		message, err := jwe.Encrypt(key, h, []byte("from us"))
		require.NoError(t, err, spec.Algorithm)
		assert.Equal(t, "from us", p.do("decrypt", spec, decrypter, message))

		plaintext, _, err := jwe.Decrypt(key, p.do("encrypt", spec, encrypter, "from them"), jwe.Expect{Encryption: spec.ContentEncryption})
		require.NoError(t, err, spec.Algorithm)
		assert.Equal(t, "from them", string(plaintext))
		pairs++
	}
	t.Logf("%d pairs of algorithms, both directions", pairs)
	assert.Equal(t, 6*(1+3+3+1+4*3), pairs)
}

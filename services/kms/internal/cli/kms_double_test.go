package cli_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

// Credentials that the double knows. The second stands for a fresh authentication.
const (
	token      = "cu_at_default_1_secret"
	freshToken = "cu_at_default_2_secret"
)

// fakeKMS is a KMS in memory behind the operations of the contract. Its messages are
// handles on what it remembers; its ES256 signatures are real.
type fakeKMS struct {
	*httptest.Server
	mu       sync.Mutex
	keys     []*fakeKey
	messages map[string]fakeMessage
	aliases  map[string]string          // key ids
	refusals map[string]*client.Problem // by the last part of the path
	requests []string
	imported client.ImportKey   // the last one
	wanted   client.NewApproval // the last one
	vault    vault

	preferred string // by the last creation of a key
}

type fakeKey struct {
	client.ElasticKey
	signers  []*ecdsa.PrivateKey // of each version
	states   []client.MaterialKeyStatus
	revision int
}

type fakeMessage struct {
	keyID     string
	plaintext []byte
	context   map[string]string
}

func newFakeKMS(t *testing.T) *fakeKMS {
	t.Helper()
	f := &fakeKMS{messages: make(map[string]fakeMessage), aliases: make(map[string]string), refusals: make(map[string]*client.Problem), vault: newVault()}
	mux := http.NewServeMux()
	routes := map[string]func(*http.Request) (any, *client.Problem){
		"GET /self":                            f.self,
		"GET /elastic-keys":                    f.list,
		"POST /elastic-keys":                   f.create,
		"GET /elastic-keys/{id}":               f.get,
		"POST /elastic-keys/{id}/rotate":       f.rotate,
		"GET /elastic-keys/{id}/material-keys": f.versions,
		"GET /elastic-keys/{id}/public-key":    f.publicKey,
		"POST /elastic-keys/{id}/encrypt":      f.encrypt,
		"POST /elastic-keys/{id}/decrypt":      f.decrypt,
		"POST /elastic-keys/{id}/sign":         f.sign,
		"POST /elastic-keys/{id}/verify":       f.verify,
	}
	maps.Copy(routes, f.lifeRoutes())
	maps.Copy(routes, f.importRoutes())
	maps.Copy(routes, f.materialRoutes())
	maps.Copy(routes, f.grantRoutes())
	mux.HandleFunc("POST /service/api/v1/backups", f.backupHandler)
	mux.HandleFunc("POST /service/api/v1/elastic-keys/{id}/backup", f.backupHandler)
	for pattern, handle := range routes {
		method, path, _ := strings.Cut(pattern, " ")
		mux.HandleFunc(method+" /service/api/v1"+path, f.serve(handle))
	}
	f.Server = httptest.NewUnstartedServer(mux)
	f.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	f.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
	f.StartTLS()
	t.Cleanup(f.Close)
	return f
}

func (f *fakeKMS) serve(handle func(*http.Request) (any, *client.Problem)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.requests = append(f.requests, r.Method+" "+strings.TrimPrefix(r.URL.RequestURI(), "/service/api/v1"))
		last := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
		answer, problem := any(nil), f.refusals[last]
		fresh := r.Header.Get("Authorization") == "Bearer "+freshToken
		switch {
		case !fresh && steppedUp(r.URL.Path):
			problem = refusal(http.StatusUnauthorized, "step_up_required", "use a fresh credential")
		case !fresh && r.Header.Get("Authorization") != "Bearer "+token:
			problem = refusal(http.StatusUnauthorized, "unauthenticated", "the credential is not known")
		case problem == nil:
			answer, problem = handle(r)
		}
		w.Header().Set("Content-Type", "application/json")
		if tagged, ok := answer.(interface{ tag() string }); ok {
			w.Header().Set("ETag", tagged.tag())
		}
		if problem != nil {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(problem.Status)
			answer = problem
		}
		_ = json.NewEncoder(w).Encode(answer)
	}
}

func refusal(status int, code, detail string) *client.Problem {
	return &client.Problem{Type: "urn:cryptoutil:problem:" + code, Title: code, Status: status, Code: code, Detail: detail, RequestID: "r-1"}
}

// decode reads a body as strictly as the service does.
func decode(r *http.Request, into any) *client.Problem {
	decoder := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 1<<20))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return refusal(http.StatusBadRequest, "bad_request", err.Error())
	}
	return nil
}

func (f *fakeKMS) find(r *http.Request) (*fakeKey, *client.Problem) {
	id := r.PathValue("id")
	for _, key := range f.keys {
		if key.ID == id || key.Name == id || f.aliases[id] == key.ID {
			return key, nil
		}
	}
	return nil, refusal(http.StatusNotFound, "not_found", fmt.Sprintf("no elastic key %q", id))
}

func (f *fakeKMS) self(*http.Request) (any, *client.Problem) {
	return client.Self{
		Tenant: "default", Realm: "file", Kind: "api_token", ID: "t1", Name: "laptop", Roles: []string{"user"},
		Scopes: []string{"kms:read", "kms:encrypt"}, ExpiresAt: "2027-01-01T00:00:00.000000Z",
	}, nil
}

func (f *fakeKMS) create(r *http.Request) (any, *client.Problem) {
	var spec client.CreateElasticKey
	f.preferred = r.Header.Get("Prefer")
	if problem := decode(r, &spec); problem != nil {
		return nil, problem
	}
	for _, key := range f.keys {
		if key.Name == spec.Name {
			return nil, refusal(http.StatusConflict, "conflict", "the name is taken")
		}
	}
	use := client.KeyUseEncrypt
	if !strings.Contains(spec.Algorithm, "/") {
		use = client.KeyUseSign
	}
	key := &fakeKey{ElasticKey: client.ElasticKey{
		ID: fmt.Sprintf("018f0000-0000-7000-8000-%012d", len(f.keys)+1), Name: spec.Name, Algorithm: spec.Algorithm,
		Use: use, Status: client.ElasticKeyStatusActive, CreatedAt: "2026-11-02T09:30:00.000000Z", UpdatedAt: "2026-11-02T09:30:00.000000Z",
	}}
	if spec.Description != nil {
		key.Description = *spec.Description
	}
	if spec.KeySize != nil {
		key.KeySize = new(int(*spec.KeySize))
	}
	if spec.Curve != nil {
		key.Curve = new(string(*spec.Curve))
	}
	key.Origin, key.VersioningAllowed, key.ImportAllowed = client.KeyOriginGenerated, true, true
	key.Tags, key.Exportable = client.Tags{}, spec.Exportable != nil && *spec.Exportable
	if spec.Tags != nil {
		key.Tags = *spec.Tags
	}
	if spec.Policy != nil {
		key.Policy = *spec.Policy
	}
	if spec.Rotation != nil {
		key.Rotation = *spec.Rotation
	}
	key.addVersion()
	f.keys = append(f.keys, key)
	return key.view(), nil
}

func (k *fakeKey) addVersion() {
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	k.signers = append(k.signers, signer)
	k.states = append(k.states, client.MaterialKeyStatusEnabled)
	k.VersionCount++
	k.PrimaryVersion = k.VersionCount
}

func (k *fakeKey) version(n int64) client.MaterialKey {
	return client.MaterialKey{
		ID: fmt.Sprintf("018f0000-0000-7000-9000-%012d", n), ElasticKeyID: k.ID, Version: n, KID: fmt.Sprintf("%s.%d", k.ID, n),
		Status: k.states[n-1], Primary: n == k.PrimaryVersion, CreatedAt: "2026-11-02T09:30:00.000000Z",
	}
}

func (f *fakeKMS) get(r *http.Request) (any, *client.Problem) {
	key, problem := f.find(r)
	if problem != nil {
		return nil, problem
	}
	return key.view(), nil
}

// page cuts a list into pages of two, so that every list has more than one.
func page[T any](r *http.Request, all []T) (items []T, next *string) {
	start, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
	end := min(start+2, len(all))
	if end < len(all) {
		next = new(strconv.Itoa(end))
	}
	return all[start:end], next
}

func (f *fakeKMS) list(r *http.Request) (any, *client.Problem) {
	query, all := r.URL.Query(), []client.ElasticKey{}
	for _, key := range f.keys {
		if (!query.Has("name") || query.Get("name") == key.Name) &&
			(!query.Has("algorithm") || query.Get("algorithm") == key.Algorithm) &&
			(!query.Has("status") || query.Get("status") == string(key.Status)) && key.tagged(query.Get("tag")) {
			all = append(all, key.ElasticKey)
		}
	}
	if query.Get("sort") == "-name" {
		slices.SortFunc(all, func(a, b client.ElasticKey) int { return strings.Compare(b.Name, a.Name) })
	}
	items, next := page(r, all)
	return client.ElasticKeyPage{Items: items, NextCursor: next}, nil
}

func (f *fakeKMS) rotate(r *http.Request) (any, *client.Problem) {
	key, problem := f.find(r)
	if problem != nil {
		return nil, problem
	}
	key.addVersion()
	return key.version(key.PrimaryVersion), nil
}

func (f *fakeKMS) versions(r *http.Request) (any, *client.Problem) {
	key, problem := f.find(r)
	if problem != nil {
		return nil, problem
	}
	var all []client.MaterialKey
	for n := key.VersionCount; n > 0; n-- {
		all = append(all, key.version(n))
	}
	items, next := page(r, all)
	return client.MaterialKeyPage{Items: items, NextCursor: next}, nil
}

func (f *fakeKMS) publicKey(r *http.Request) (any, *client.Problem) {
	key, problem := f.find(r)
	if problem != nil {
		return nil, problem
	}
	if key.Use != client.KeyUseSign {
		return nil, refusal(http.StatusConflict, "no_public_key", "the key is symmetric")
	}
	version := key.PrimaryVersion
	if text := r.URL.Query().Get("version"); text != "" {
		version, _ = strconv.ParseInt(text, 10, 64)
	}
	der, err := x509.MarshalPKIXPublicKey(key.signers[version-1].Public())
	if err != nil {
		panic(err)
	}
	return client.PublicKey{
		KID: key.version(version).KID, Version: version, JWK: json.RawMessage(`{"kty":"EC","crv":"P-256"}`),
		PEM: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
	}, nil
}

func (f *fakeKMS) encrypt(r *http.Request) (any, *client.Problem) {
	var request client.EncryptRequest
	key, problem := f.find(r)
	if problem == nil {
		problem = decode(r, &request)
	}
	if problem == nil && key.Use != client.KeyUseEncrypt {
		problem = refusal(http.StatusConflict, "wrong_key_use", "the key signs")
	}
	if problem != nil {
		return nil, problem
	}
	plaintext, err := client.DecodeBytes(request.Plaintext)
	if err != nil || len(plaintext) > client.MaxInline {
		return nil, refusal(http.StatusRequestEntityTooLarge, "payload_too_large", "more than 64 KiB")
	}
	header := client.EncodeBytes(fmt.Appendf(nil, `{"alg":"A256KW","enc":"A256GCM","kid":%q}`, key.version(key.PrimaryVersion).KID))
	message := strings.Join([]string{header, rand.Text(), rand.Text(), rand.Text(), rand.Text()}, ".")
	f.messages[message] = fakeMessage{keyID: key.ID, plaintext: plaintext, context: contextOf(request.Context)}
	return client.EncryptResponse{Ciphertext: message, ElasticKeyID: key.ID, Version: key.PrimaryVersion}, nil
}

func (f *fakeKMS) decrypt(r *http.Request) (any, *client.Problem) {
	var request client.DecryptRequest
	key, problem := f.find(r)
	if problem == nil {
		problem = decode(r, &request)
	}
	if problem != nil {
		return nil, problem
	}
	message, ok := f.messages[request.Ciphertext]
	if !ok || message.keyID != key.ID || !maps.Equal(message.context, contextOf(request.Context)) {
		return nil, refusal(http.StatusBadRequest, "decryption_failed", "the message does not decrypt")
	}
	return client.DecryptResponse{Plaintext: client.EncodeBytes(message.plaintext), ElasticKeyID: key.ID, Version: 1}, nil
}

func contextOf(c *client.Context) map[string]string {
	if c == nil {
		return nil
	}
	return *c
}

func (f *fakeKMS) sign(r *http.Request) (any, *client.Problem) {
	var request client.SignRequest
	key, problem := f.find(r)
	if problem == nil {
		problem = decode(r, &request)
	}
	if problem == nil && key.Use != client.KeyUseSign {
		problem = refusal(http.StatusConflict, "wrong_key_use", "the key encrypts")
	}
	if problem != nil {
		return nil, problem
	}
	payload, err := client.DecodeBytes(request.Payload)
	if err != nil || len(payload) > client.MaxInline {
		return nil, refusal(http.StatusRequestEntityTooLarge, "payload_too_large", "more than 64 KiB")
	}
	answer := client.SignResponse{Algorithm: "ES256", ElasticKeyID: key.ID, Version: key.PrimaryVersion}
	signer := key.signers[key.PrimaryVersion-1]
	if request.Format != nil {
		answer.Signature = client.EncodeBytes(signDER(signer, payload, request.Input))
		return answer, nil
	}
	header, _ := json.Marshal(map[string]any{"alg": "ES256", "kid": key.version(key.PrimaryVersion).KID, "typ": request.Typ})
	signed := client.EncodeBytes(header) + "." + request.Payload
	answer.Signature = signed + "." + client.EncodeBytes(signDER(signer, []byte(signed), nil))
	return answer, nil
}

func digestOf(payload []byte, input *client.SignatureInput) []byte {
	if input != nil && *input == client.SignatureInputDigest {
		return payload
	}
	digest := sha256.Sum256(payload)
	return digest[:]
}

func signDER(signer *ecdsa.PrivateKey, payload []byte, input *client.SignatureInput) []byte {
	signature, err := signer.Sign(rand.Reader, digestOf(payload, input), crypto.SHA256)
	if err != nil {
		panic(err)
	}
	return signature
}

func (f *fakeKMS) verify(r *http.Request) (any, *client.Problem) {
	var request client.VerifyRequest
	key, problem := f.find(r)
	if problem == nil {
		problem = decode(r, &request)
	}
	if problem != nil {
		return nil, problem
	}
	if request.Format != nil {
		version := key.PrimaryVersion
		if request.Version != nil {
			version = *request.Version
		}
		payload, _ := base64.RawURLEncoding.DecodeString(*request.Payload)
		signature, _ := base64.RawURLEncoding.DecodeString(request.Signature)
		valid := ecdsa.VerifyASN1(&key.signers[version-1].PublicKey, digestOf(payload, request.Input), signature)
		return client.VerifyResponse{Valid: valid, Version: &version}, nil
	}
	return key.verifyJWS(request), nil
}

func (k *fakeKey) verifyJWS(request client.VerifyRequest) client.VerifyResponse {
	parts := strings.Split(request.Signature, ".")
	header, _ := base64.RawURLEncoding.DecodeString(parts[0])
	signature, _ := base64.RawURLEncoding.DecodeString(parts[2])
	var h struct{ KID, Typ string }
	if json.Unmarshal(header, &h) != nil || request.Typ != nil && h.Typ != *request.Typ {
		return client.VerifyResponse{}
	}
	for n := k.VersionCount; n > 0; n-- {
		if h.KID == k.version(n).KID {
			signed := []byte(parts[0] + "." + parts[1])
			valid := ecdsa.VerifyASN1(&k.signers[n-1].PublicKey, digestOf(signed, nil), signature)
			return client.VerifyResponse{Valid: valid, Version: &n, Payload: &parts[1]}
		}
	}
	return client.VerifyResponse{}
}

// dial connects to f with this credential.
func (f *fakeKMS) dial(credential string) (*client.KMS, error) {
	roots := x509.NewCertPool()
	roots.AddCert(f.Certificate())
	return client.New(client.Config{URL: f.URL, Roots: roots, Token: credential, Retries: -1})
}

// asked returns the requests since the last call.
func (f *fakeKMS) asked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	asked := f.requests
	f.requests = nil
	return asked
}

// add makes a key without the command line.
func (f *fakeKMS) add(t *testing.T, name, algorithm string) *client.ElasticKey {
	t.Helper()
	kms, err := f.dial(token)
	require.NoError(t, err)
	defer kms.Close()
	key, err := kms.CreateKey(t.Context(), client.CreateElasticKey{Name: name, Algorithm: algorithm})
	require.NoError(t, err)
	f.asked()
	return key
}

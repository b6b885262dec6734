package cli_test

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/crypto/alg"
	"github.com/cryptoutil/cryptoutil/libs/crypto/backup"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwe"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
	"github.com/cryptoutil/cryptoutil/libs/crypto/keygen"

	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

// vault is what the double knows of keys that come and go: its wrapped keys are handles on what it remembers, its exports, statements and
// backups are real.
type vault struct {
	wrapped    map[string]fakeWrapped
	shared     map[string][]byte // of ML-KEM, by ciphertext
	attestor   *jwk.Key
	recipient  *jwk.Key // of restores
	restored   []json.RawMessage
	asked      http.Header          // of the last export or backup
	grant      client.NewKeyGrant   // the last one
	derivation client.DeriveRequest // the last one
}

type fakeWrapped struct {
	key     []byte
	jwk     json.RawMessage
	context map[string]string
}

func newVault() vault {
	v := vault{wrapped: map[string]fakeWrapped{}, shared: map[string][]byte{}, attestor: newJWK("Ed25519", ""), recipient: newJWK("A256GCM/ECDH-ES+A256KW", "P-256")}
	v.attestor.ID = "attestor"
	return v
}

func newJWK(algorithm, curve string) *jwk.Key {
	spec, err := alg.ParseSpec(algorithm, 0, curve)
	if err != nil {
		panic(err)
	}
	key, err := keygen.Generate(spec)
	if err != nil {
		panic(err)
	}
	return key
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// materialRoutes are those of keys and secrets that come and go.
func (f *fakeKMS) materialRoutes() map[string]func(*http.Request) (any, *client.Problem) {
	routes := map[string]func(*http.Request) (any, *client.Problem){
		"mac": f.mac, "verify-mac": f.verifyMac, "generate-data-key": f.generateDataKey, "wrap": f.wrap, "unwrap": f.unwrap, "generate": f.generate,
		"derive": f.derive, "encapsulate": f.encapsulate, "decapsulate": f.decapsulate, "reencrypt": f.reencrypt,
	}
	all := map[string]func(*http.Request) (any, *client.Problem){
		"POST /generate-random":                 f.random,
		"POST /elastic-keys/{id}/encrypt-batch": f.batchOf(f.encrypt),
		"POST /elastic-keys/{id}/decrypt-batch": f.batchOf(f.decrypt),
		"POST /generate-random-batch":           f.batchOf(f.random),
		"POST /elastic-keys/{id}/export":        f.export,
		"GET /elastic-keys/{id}/attestation":    f.attest,
		"GET /attestation-keys":                 f.attestationKeys,
		"POST /backups/recipients":              f.restoreRecipient,
		"POST /backups/restore":                 f.restore,
	}
	for verb, handle := range routes {
		all["POST /elastic-keys/{id}/"+verb] = handle
		all["POST /elastic-keys/{id}/"+verb+"-batch"] = f.batchOf(handle)
	}
	return all
}

// batchOf performs an operation for each item.
func (f *fakeKMS) batchOf(handle func(*http.Request) (any, *client.Problem)) func(*http.Request) (any, *client.Problem) {
	return func(r *http.Request) (any, *client.Problem) {
		var body struct {
			Items []json.RawMessage `json:"items"`
		}
		if problem := decode(r, &body); problem != nil {
			return nil, problem
		}
		if r.PathValue("id") != "" {
			if _, problem := f.find(r); problem != nil {
				return nil, problem
			}
		}
		results := []any{}
		for _, item := range body.Items {
			r.Body = io.NopCloser(bytes.NewReader(item))
			answer, problem := handle(r)
			if problem != nil {
				results = append(results, map[string]any{"status": problem.Status, "problem": problem})
				continue
			}
			var members map[string]any
			if err := json.Unmarshal(must(json.Marshal(answer)), &members); err != nil {
				panic(err)
			}
			members["status"] = http.StatusOK
			results = append(results, members)
		}
		return map[string]any{"results": results}, nil
	}
}

// on decodes the request about a key.
func on[T any](f *fakeKMS, r *http.Request) (key *fakeKey, request T, problem *client.Problem) {
	if key, problem = f.find(r); problem == nil {
		problem = decode(r, &request)
	}
	return key, request, problem
}

func macOf(key *fakeKey, payload string, version int64) []byte {
	h := hmac.New(sha256.New, must(key.signers[version-1].Bytes()))
	h.Write(must(client.DecodeBytes(payload)))
	return h.Sum(nil)
}

func (f *fakeKMS) mac(r *http.Request) (any, *client.Problem) {
	key, request, problem := on[client.MacRequest](f, r)
	if problem != nil {
		return nil, problem
	}
	return client.MacResponse{Mac: client.EncodeBytes(macOf(key, request.Payload, key.PrimaryVersion)), Version: key.PrimaryVersion}, nil
}

func (f *fakeKMS) verifyMac(r *http.Request) (any, *client.Problem) {
	key, request, problem := on[client.VerifyMacRequest](f, r)
	if problem != nil {
		return nil, problem
	}
	version := key.PrimaryVersion
	if request.Version != nil {
		version = *request.Version
	}
	return client.VerifyMacResponse{Valid: client.EncodeBytes(macOf(key, request.Payload, version)) == request.Mac, Version: version}, nil
}

// keep remembers a key and returns its handle.
func (f *fakeKMS) keep(key *fakeKey, wrapped fakeWrapped) string {
	header := client.EncodeBytes([]byte(`{"alg":"A256KW","enc":"A256GCM","kid":"` + key.version(key.PrimaryVersion).KID + `"}`))
	message := strings.Join([]string{header, rand.Text(), rand.Text(), rand.Text(), rand.Text()}, ".")
	f.vault.wrapped[message] = wrapped
	return message
}

func (f *fakeKMS) generateDataKey(r *http.Request) (any, *client.Problem) {
	key, request, problem := on[client.GenerateDataKeyRequest](f, r)
	if problem != nil {
		return nil, problem
	}
	told := request.IncludePlaintext != nil && *request.IncludePlaintext
	answer := client.GenerateDataKeyResponse{}
	if request.KeyPair != nil {
		pair := newJWK("ES256", "")
		private := json.RawMessage(must(pair.MarshalPrivate()))
		answer.Wrapped = f.keep(key, fakeWrapped{jwk: private, context: contextOf(request.Context)})
		answer.PublicJWK = new(json.RawMessage(must(pair.MarshalPublic())))
		if told {
			answer.JWK = &private
		}
		return answer, nil
	}
	bits := 256
	if request.Bits != nil {
		bits = int(*request.Bits)
	}
	octets := make([]byte, bits/8)
	_, _ = rand.Read(octets)
	answer.Wrapped = f.keep(key, fakeWrapped{key: octets, context: contextOf(request.Context)})
	if told {
		answer.Key = new(client.EncodeBytes(octets))
	}
	return answer, nil
}

func (f *fakeKMS) wrap(r *http.Request) (any, *client.Problem) {
	key, request, problem := on[client.WrapRequest](f, r)
	if problem != nil {
		return nil, problem
	}
	kept := fakeWrapped{context: contextOf(request.Context)}
	if request.JWK != nil {
		if kept.jwk = *request.JWK; must(jwk.Parse(kept.jwk)) == nil {
			return nil, refusal(http.StatusBadRequest, "invalid_jwk", "no JWK")
		}
	} else {
		kept.key = must(client.DecodeBytes(*request.Key))
	}
	return client.WrapResponse{Wrapped: f.keep(key, kept)}, nil
}

func (f *fakeKMS) unwrap(r *http.Request) (any, *client.Problem) {
	_, request, problem := on[client.UnwrapRequest](f, r)
	if problem != nil {
		return nil, problem
	}
	kept, known := f.vault.wrapped[request.Wrapped]
	if !known || len(kept.context) != len(contextOf(request.Context)) {
		return nil, refusal(http.StatusBadRequest, "decryption_failed", "the message does not decrypt")
	}
	if kept.jwk != nil {
		return client.UnwrapResponse{JWK: &kept.jwk}, nil
	}
	return client.UnwrapResponse{Key: new(client.EncodeBytes(kept.key))}, nil
}

func (f *fakeKMS) generate(r *http.Request) (any, *client.Problem) {
	key, request, problem := on[client.GenerateRequest](f, r)
	if problem != nil {
		return nil, problem
	}
	made := newJWK(request.Algorithm, "")
	answer := client.GenerateResponse{Algorithm: request.Algorithm, Wrapped: f.keep(key, fakeWrapped{jwk: must(made.MarshalPrivate())})}
	if !made.IsSymmetric() {
		answer.PublicJWK = new(json.RawMessage(must(made.MarshalPublic())))
	}
	return answer, nil
}

func (f *fakeKMS) random(r *http.Request) (any, *client.Problem) {
	var request client.GenerateRandomRequest
	if problem := decode(r, &request); problem != nil {
		return nil, problem
	}
	octets := make([]byte, request.Bytes)
	_, _ = rand.Read(octets)
	return client.GenerateRandomResponse{Random: client.EncodeBytes(octets)}, nil
}

func (f *fakeKMS) derive(r *http.Request) (any, *client.Problem) {
	key, request, problem := on[client.DeriveRequest](f, r)
	if problem != nil {
		return nil, problem
	}
	f.vault.derivation = request
	length := 32
	if request.Length != nil {
		length = *request.Length
	}
	info := ""
	if request.Info != nil {
		info = *request.Info
	}
	return client.DeriveResponse{Secret: client.EncodeBytes(must(hkdf.Expand(sha256.New, must(key.signers[0].Bytes()), info, length)))}, nil
}

func (f *fakeKMS) encapsulate(r *http.Request) (any, *client.Problem) {
	_, _, problem := on[client.EncapsulateRequest](f, r)
	if problem != nil {
		return nil, problem
	}
	secret, ciphertext := []byte(rand.Text()), client.EncodeBytes([]byte(rand.Text()))
	f.vault.shared[ciphertext] = secret
	return client.EncapsulateResponse{SharedKey: client.EncodeBytes(secret), Ciphertext: ciphertext}, nil
}

func (f *fakeKMS) decapsulate(r *http.Request) (any, *client.Problem) {
	_, request, problem := on[client.DecapsulateRequest](f, r)
	if problem != nil {
		return nil, problem
	}
	secret, known := f.vault.shared[request.Ciphertext]
	if !known {
		secret = []byte(rand.Text())
	}
	return client.DecapsulateResponse{SharedKey: client.EncodeBytes(secret)}, nil
}

func (f *fakeKMS) reencrypt(r *http.Request) (any, *client.Problem) {
	key, request, problem := on[client.ReencryptRequest](f, r)
	if problem != nil {
		return nil, problem
	}
	message, ok := f.messages[request.Ciphertext]
	if !ok || message.keyID != key.ID || len(message.context) != len(contextOf(request.Context)) {
		return nil, refusal(http.StatusBadRequest, "decryption_failed", "the message does not decrypt")
	}
	if request.Target != nil {
		r.SetPathValue("id", *request.Target)
		if key, problem = f.find(r); problem != nil {
			return nil, problem
		}
	}
	bound := message.context
	if request.NewContext != nil {
		bound = contextOf(request.NewContext)
	}
	moved := f.keep(key, fakeWrapped{})
	f.messages[moved] = fakeMessage{keyID: key.ID, plaintext: message.plaintext, context: bound}
	return client.ReencryptResponse{Ciphertext: moved, ElasticKeyID: key.ID, Version: key.PrimaryVersion}, nil
}

func (f *fakeKMS) export(r *http.Request) (any, *client.Problem) {
	key, request, problem := on[client.ExportKey](f, r)
	switch {
	case problem != nil:
		return nil, problem
	case !key.Exportable:
		return nil, refusal(http.StatusForbidden, "not_exportable", "the key was not created exportable")
	}
	f.vault.asked = r.Header
	to := must(jwk.Parse(request.Recipient))
	private := must(jwk.FromMaterial(key.signers[0], jwk.Attributes{}))
	algorithm := "RSA-OAEP-256"
	if to.Type() == alg.KeyTypeEC {
		algorithm = "ECDH-ES+A256KW"
	}
	header := jwe.Header{Algorithm: algorithm, Encryption: "A256GCM", ContentType: "jwk+json"}
	return client.ExportedKey{Jwe: must(jwe.Encrypt(to, header, must(private.MarshalPrivate()))), Version: 1}, nil
}

func (f *fakeKMS) attest(r *http.Request) (any, *client.Problem) {
	key, problem := f.find(r)
	if problem != nil {
		return nil, problem
	}
	public := must(jwk.FromMaterial(&key.signers[0].PublicKey, jwk.Attributes{}))
	statement := must(json.Marshal(map[string]any{
		"tenant": "default", "elastic_key_id": key.ID, "kid": key.version(1).KID, "version": 1, "algorithm": key.Algorithm, "curve": "P-256", "use": "sign",
		"origin": "generated", "exportable": false, "jwk_thumbprint": public.ThumbprintSHA256(), "created_at": "2026-11-02T09:30:00Z",
		"fips_module": "Module", "fips_module_version": "v1", "service_version": "v2", "iat": 1793611800,
	}))
	header := jws.Header{Algorithm: "Ed25519", KeyID: f.vault.attestor.ID, Type: "cu-attestation+jws"}
	return client.Attestation{Attestation: must(jws.Sign(f.vault.attestor, header, statement)), Version: 1}, nil
}

func (f *fakeKMS) attestationKeys(*http.Request) (any, *client.Problem) {
	return map[string]any{"keys": []json.RawMessage{must(f.vault.attestor.MarshalPublic())}}, nil
}

func (f *fakeKMS) restoreRecipient(*http.Request) (any, *client.Problem) {
	return client.RestoreRecipient{ID: "r1", JWK: must(f.vault.recipient.MarshalPublic()), ExpiresAt: "2026-11-03T09:30:00.000000Z"}, nil
}

func (f *fakeKMS) restore(r *http.Request) (any, *client.Problem) {
	query := r.URL.Query()
	report := client.RestoreReport{DryRun: query.Get("dry_run") == "true", FromTenant: "default", BackupCreatedAt: "x", Conflicts: []client.RestoreConflict{}}
	var records []json.RawMessage
	_, _, err := backup.Open(r.Context(), r.Body, f.vault.recipient, func(record []byte) error {
		records = append(records, bytes.Clone(record))
		return nil
	})
	if err != nil {
		return nil, refusal(http.StatusBadRequest, "invalid_backup", "the backup cannot be restored")
	}
	report.Keys, report.Restored = len(records), len(records)
	if len(f.vault.restored) > 0 {
		if !report.DryRun && query.Get("on_conflict") != "skip" {
			return nil, refusal(http.StatusConflict, "conflict", "keys of the backup are in the way of what is here")
		}
		report.Restored, report.Skipped = 0, len(records)
		report.Conflicts = []client.RestoreConflict{{Name: "payroll", Reason: "a key of this id is here"}}
	} else if !report.DryRun {
		f.vault.restored = records
	}
	return report, nil
}

// backupHandler answers with a file, not JSON.
func (f *fakeKMS) backupHandler(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, r.Method+" "+strings.TrimPrefix(r.URL.RequestURI(), "/service/api/v1"))
	if r.Header.Get("Authorization") != "Bearer "+freshToken {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusUnauthorized)
		_ = json.NewEncoder(w).Encode(refusal(http.StatusUnauthorized, "step_up_required", "use a fresh credential"))
		return
	}
	f.vault.asked = r.Header
	var spec client.NewBackup
	if decode(r, &spec) != nil {
		panic("no recipients")
	}
	var to []*jwk.Key
	for _, text := range spec.Recipients {
		to = append(to, must(jwk.Parse(text)))
	}
	err := backup.Write(r.Context(), w, to, backup.Head{Tenant: "default", Instance: "i"}, func(yield func([]byte, error) bool) {
		for _, record := range []string{`{"key":1}`, `{"key":2}`} {
			if !yield([]byte(record), nil) {
				return
			}
		}
	})
	if err != nil {
		panic(err)
	}
}

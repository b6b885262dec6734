package benchtest_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jws"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/server"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/kmstest"
)

// batchSize is how many items the batches of the benchmark have.
const batchSize = 100

// BenchmarkBatch compares requests with one item with batches of a hundred: divide the time of a batch by a hundred. bare is one item in a
// handler that does the same cryptography and nothing else. The client is part of all of them. Garbage is collected as seldom as in the program
// (libs/server/cli).
func BenchmarkBatch(b *testing.B) {
	defer debug.SetGCPercent(debug.SetGCPercent(garbagePercent))
	cfg, files := kmstest.Prepare(b, database.EngineSQLite)
	unlimited := server.Rate{Limit: 1 << 29, Per: time.Second, Burst: 1 << 29}
	cfg.Rates = server.Rates{PerAddress: unlimited, PerClient: unlimited, PerUser: unlimited}
	cfg.Telemetry.LogLevel = "info"
	s := kmstest.RunLogging(b, cfg, files, io.Discard)
	s.Create(b, s.Operator(b), "cipher", "A256GCM/A256KW")
	s.Create(b, s.Operator(b), "signer", "ES256")
	token := s.Token(b, "default", "bench", "kms:encrypt", "kms:sign")
	content := base64.RawURLEncoding.EncodeToString(make([]byte, 256))
	signer := newKey(b, "ES256")
	for _, operation := range []struct{ key, verb, item string }{
		{"cipher", "encrypt", fmt.Sprintf(`{"plaintext":%q}`, content)},
		{"signer", "sign", fmt.Sprintf(`{"payload":%q}`, content)},
	} {
		path := kmstest.APIBase + "elastic-keys/" + operation.key + "/" + operation.verb
		many := `{"items":[` + strings.TrimSuffix(strings.Repeat(operation.item+",", batchSize), ",") + `]}`
		b.Run(operation.verb+"/single", func(b *testing.B) {
			measure(b, poster(s.Apart(b, false), s.URL()+path, token, operation.item))
		})
		b.Run(operation.verb+"/batch", func(b *testing.B) {
			measure(b, poster(s.Apart(b, false), s.URL()+path+"-batch", token, many))
		})
	}
	b.Run("sign/bare", func(b *testing.B) {
		bare := serveBare(b, s, func([]byte) (any, error) {
			signed, err := jws.Sign(signer, jws.Header{Algorithm: "ES256", KeyID: benchKeyID}, make([]byte, 256))
			return bareSigned{signed, "ES256", benchElasticID, 1}, err
		})
		measure(b, poster(s.Apart(b, false), bare, token, fmt.Sprintf(`{"payload":%q}`, content)))
	})
}

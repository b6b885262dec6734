package barrierstore_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/crypto/secretshare"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/barrierstore"
	"github.com/cryptoutil/cryptoutil/libs/testkit/dbtest"
)

const (
	// victimVariable makes the test binary a process that is there to be killed; it holds a victimConfig.
	victimVariable = "CRYPTOUTIL_TEST_VICTIM"
	// roundsVariable is how often each test kills.
	roundsVariable = "CRYPTOUTIL_TEST_KILLS"
)

type victimConfig struct {
	Engine, Path, URL, PasswordFile string
	// Dir holds the unseal material, as operators would keep it: NAME.secret and NAME.shares.
	Dir string
}

func (v victimConfig) open(ctx context.Context) (*database.DB, error) {
	cfg := database.Config{Engine: v.Engine, Path: config.Path(v.Path), URL: v.URL, MaxConnections: 2}
	if v.PasswordFile != "" {
		var err error
		if cfg.Password, err = config.NewSecret((&url.URL{Scheme: "file", Path: v.PasswordFile}).String(), config.Policy{AllowGroupRead: true}); err != nil {
			return nil, err
		}
	}
	return database.Open(ctx, cfg, database.Options{Log: slog.New(slog.DiscardHandler), Application: "victim"})
}

// victim changes the unseal material and rotates keys until it is killed. It tells of each commit on standard output.
func victim() {
	var v victimConfig
	err := json.Unmarshal([]byte(os.Getenv(victimVariable)), &v)
	for err == nil {
		err = v.live(context.Background())
	}
	fmt.Println("victim:", err)
	os.Exit(1)
}

func (v victimConfig) live(ctx context.Context) error {
	db, err := v.open(ctx)
	if err != nil {
		return err
	}
	store, err := barrierstore.New(db)
	if err != nil {
		return err
	}
	for {
		// A transaction of the victim before this one may end on the server after its process, between two of these steps.
		if err := v.step(ctx, store); err != nil && !isInvalidState(err) && !errors.Is(err, barrier.ErrWrongUnsealKey) && !errors.Is(err, unseal.ErrNoRekey) {
			return err
		}
	}
}

// step opens the barrier with whatever opens it, ends what another victim left, and changes the material or rotates a key.
func (v victimConfig) step(ctx context.Context, store *barrierstore.Store) error {
	opened, err := v.openBarrier(ctx, store)
	if err != nil {
		return err
	}
	o := opened[0].operator
	if rekey, err := store.Rekey(ctx); err == nil {
		if !rekey.VerifiedAt.IsZero() && mathrand.IntN(2) == 0 {
			_, err = o.CommitRekey(ctx)
		} else {
			_, err = o.CancelRekey(ctx)
		}
		return err
	}
	switch mathrand.IntN(5) {
	case 0:
		return opened[0].rotateRoot(ctx)
	case 1:
		return opened[0].barrier.Rotate(ctx, "a", []barrier.Level{barrier.LevelIntermediate, barrier.LevelContent}[mathrand.IntN(2)])
	case 2:
		_, err := opened[0].barrier.RewrapKeys(ctx, "a")
		return err
	}
	return v.rekey(ctx, opened[0])
}

// rekey goes from the staging to the commit as operators do: new material is kept safe before it is proven.
func (v victimConfig) rekey(ctx context.Context, from candidate) error {
	name := filepath.Join(v.Dir, fmt.Sprintf("%d", time.Now().UnixNano()))
	request := unseal.RekeyRequest{Material: unseal.Material{Mode: unseal.Shamir}, Shares: 3, Threshold: 2}
	if mathrand.IntN(2) == 0 {
		secret := make([]byte, unseal.SecretSize)
		_, _ = rand.Read(secret) // never fails
		if err := os.WriteFile(name+".secret", secret, 0o600); err != nil {
			return err
		}
		request = unseal.RekeyRequest{Material: unseal.Material{Mode: unseal.Derive, Secret: secret}}
	}
	status, err := from.operator.StartRekey(ctx, request)
	for _, share := range from.shares {
		if err == nil && status.State == unseal.RekeyAuthorizing {
			status, err = from.operator.AuthorizeRekey(ctx, share)
		}
	}
	if err != nil {
		return err
	}
	proof := []string{""}
	if request.Mode == unseal.Shamir {
		proof = status.NewShares[1:]
		if err := os.WriteFile(name+".part", []byte(strings.Join(status.NewShares, "\n")), 0o600); err != nil {
			return err
		}
		if err := os.Rename(name+".part", name+".shares"); err != nil {
			return err
		}
	}
	for _, share := range proof {
		if _, err := from.operator.VerifyRekey(ctx, share); err != nil {
			return err
		}
	}
	if _, err := from.operator.CommitRekey(ctx); err != nil {
		return err
	}
	fmt.Println("committed")
	return nil
}

// candidate is unseal material that opened the barrier.
type candidate struct {
	barrier  *barrier.Barrier
	operator *unseal.Operator
	shares   []string // 2; none for a secret
}

func (c candidate) rotateRoot(ctx context.Context) (err error) {
	if len(c.shares) == 0 {
		_, _, err = c.operator.RotateRoot(ctx, "")
	}
	for _, share := range c.shares {
		if err == nil {
			_, _, err = c.operator.RotateRoot(ctx, share)
		}
	}
	return err
}

// openBarrier tries all material there is, and returns what opens.
func (v victimConfig) openBarrier(ctx context.Context, store *barrierstore.Store) (opened []candidate, err error) {
	files, err := filepath.Glob(filepath.Join(v.Dir, "*.s*"))
	if err != nil {
		return nil, err
	}
	slices.Reverse(files) // the newest first
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		c, err := newCandidate(ctx, store, file, content)
		if err != nil {
			return nil, err
		}
		if !c.barrier.Sealed() {
			opened = append(opened, c)
		}
	}
	if len(opened) == 0 {
		err = errors.New("NOTHING OPENS THE BARRIER")
	}
	return opened, err
}

func newCandidate(ctx context.Context, store *barrierstore.Store, file string, content []byte) (c candidate, err error) {
	if c.barrier, err = barrier.New(barrier.Config{Store: store, Now: time.Now}); err != nil {
		return c, err
	}
	cfg := unseal.Config{Barrier: c.barrier, Store: store, Mode: unseal.Derive, Secret: content}
	if strings.HasSuffix(file, ".shares") {
		cfg.Mode, cfg.Secret = unseal.Shamir, nil
		c.shares = strings.Split(string(content), "\n")[:2]
	}
	if c.operator, err = unseal.New(cfg); err != nil {
		return c, err
	}
	err = c.operator.Start(ctx)
	for _, share := range c.shares {
		if err == nil {
			_, err = c.operator.SubmitShare(ctx, share)
		}
	}
	if errors.Is(err, barrier.ErrWrongUnsealKey) || errors.Is(err, secretshare.ErrForeign) || isInvalidState(err) {
		err = nil // what it was made for has been ended
	}
	return c, err
}

func isInvalidState(err error) bool {
	var coded interface{ ErrorCode() string }
	return errors.As(err, &coded) && coded.ErrorCode() == "invalid_state"
}

// Whenever the process dies, the old unseal material or the new one opens the barrier, and everything in it is as it was.
func TestKill_SomethingAlwaysOpensTheBarrier(t *testing.T) {
	t.Parallel()
	for _, engine := range dbtest.Engines() {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			cfg := dbtest.Fresh(t, engine, database.PlatformMigrations())
			v := victimConfig{Engine: cfg.Engine, Path: cfg.Path.String(), URL: cfg.URL, PasswordFile: cfg.Password.File(), Dir: t.TempDir()}
			db := dbtest.Open(t, cfg, database.PlatformMigrations())
			store, err := barrierstore.New(db)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(v.Dir, "0.secret"), bytes.Repeat([]byte{9}, unseal.SecretSize), 0o600))
			first, err := v.openBarrier(t.Context(), store)
			require.NoError(t, err)
			place := barrier.Binding{Tenant: "a", Purpose: "test", ID: "1"}
			w, err := first[0].barrier.Tenant(t.Context(), "a")
			require.NoError(t, err)
			value, err := w.Wrap(place, []byte("value"))
			require.NoError(t, err)
			derived, err := first[0].barrier.DeriveKey("label", 32)
			require.NoError(t, err)

			commits, staged, ids := 0, 0, map[string]bool{}
			for range kills() {
				commits += v.kill(t)
				_, err := store.Rekey(t.Context())
				both := err == nil
				opened, err := v.openBarrier(t.Context(), store)
				require.NoError(t, err)
				if both {
					staged++
				}
				for _, c := range opened {
					got, err := c.barrier.Unwrap(t.Context(), place, value)
					require.NoError(t, err)
					assert.Equal(t, "value", string(got))
					same, err := c.barrier.DeriveKey("label", 32)
					require.NoError(t, err)
					assert.Equal(t, derived, same)
				}
				id, err := opened[0].barrier.UnsealKeyID(t.Context())
				require.NoError(t, err)
				ids[id] = true
			}
			t.Logf("%d commits, killed %d times between staging and commit, %d different unseal keys seen", commits, staged, len(ids))
			assert.Positive(t, commits)
			assert.Greater(t, len(ids), 1)

			// A process that has run all the time follows with what it has in memory.
			require.NoError(t, first[0].barrier.Follow(t.Context()))
			got, err := first[0].barrier.Unwrap(t.Context(), place, value)
			require.NoError(t, err)
			assert.Equal(t, "value", string(got))
		})
	}
}

func kills() int {
	if n, err := strconv.Atoi(os.Getenv(roundsVariable)); err == nil {
		return n
	}
	return 5
}

// kill starts a victim, and kills it at a random moment of its work; commits tells how many rekeyings it had committed.
func (v victimConfig) kill(t *testing.T) (commits int) {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), victimVariable+"="+string(text))
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan(), "the victim ended")
	require.Equal(t, "committed", lines.Text())
	timer := time.AfterFunc(time.Duration(mathrand.IntN(60_000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	for commits = 1; lines.Scan(); commits++ {
		assert.Equal(t, "committed", lines.Text())
	}
	_ = cmd.Wait() // it was killed
	return commits
}

// Package wycheproof reads the test vectors of C2SP/wycheproof for the tests of this module. Its main
// functions are [Load] and [Tally.Check]: every vector is run and counted, and one that is valid but
// refused needs a policy that says why, and the error the policy demands.
package wycheproof

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Folder is the environment variable that names the folder that holds wycheproof/. A relative name
// counts from the folder of go.work.
const Folder = "CRYPTOUTIL_VECTORS"

// required is the environment variable that turns a missing [Folder] into a failure.
const required = "CRYPTOUTIL_TEST_REQUIRED"

// TB is the part of testing.TB that is needed here.
type TB interface {
	Helper()
	Skipf(format string, args ...any)
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
	Logf(format string, args ...any)
}

// File is a file of vectors whose groups are of type G.
type File[G any] struct {
	Name          string `json:"-"`
	NumberOfTests int    `json:"numberOfTests"`
	Groups        []G    `json:"testGroups"`
}

// Test is what every vector has.
type Test struct {
	ID      int      `json:"tcId"`
	Comment string   `json:"comment"`
	Flags   []string `json:"flags"`
	Result  string   `json:"result"` // valid, invalid or acceptable
}

// Hex is a byte string that stands in the files as hexadecimal digits.
type Hex []byte

// UnmarshalJSON reads hexadecimal digits.
func (h *Hex) UnmarshalJSON(text []byte) error {
	var digits string
	if err := json.Unmarshal(text, &digits); err != nil {
		return err
	}
	value, err := hex.DecodeString(digits)
	*h = value
	return err
}

// Load reads a file of vectors. Without the environment variable [Folder] the test is skipped, or
// fails where CRYPTOUTIL_TEST_REQUIRED=1.
func Load[G any](t TB, name string) File[G] {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(vectors(t), name))
	if err != nil {
		t.Fatalf("read vectors: %v", err)
	}
	file := File[G]{Name: name}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatalf("read vectors %s: %v", name, err)
	}
	return file
}

// Names are the files of vectors that there are. It ends the test as [Load] does.
func Names(t TB) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(vectors(t))
	if err != nil {
		t.Fatalf("list vectors: %v", err)
	}
	for _, entry := range entries {
		if strings.HasSuffix(entry.Name(), ".json") {
			names = append(names, entry.Name())
		}
	}
	return names
}

// vectors is the folder that the files are in.
func vectors(t TB) string {
	t.Helper()
	folder := os.Getenv(Folder)
	if folder == "" {
		if os.Getenv(required) == "1" {
			t.Fatalf("%s is not set and %s=1: the vectors must be run", Folder, required)
		}
		t.Skipf("%s is not set: no vectors to run", Folder)
	}
	if !filepath.IsAbs(folder) {
		folder = filepath.Join(root(t), folder)
	}
	return filepath.Join(folder, "wycheproof")
}

// root finds the folder of go.work above the package under test.
func root(t TB) string {
	t.Helper()
	folder, err := os.Getwd()
	if err != nil {
		t.Fatalf("find the working directory: %v", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.work")); err == nil {
			return folder
		}
		if folder == filepath.Dir(folder) {
			t.Fatalf("%s is relative and there is no go.work above the package", Folder)
		}
		folder = filepath.Dir(folder)
	}
}

// Policy is why a valid vector is refused, and with which error: one that is Is, or one of the code.
type Policy struct {
	Reason string
	Code   string
	Is     error
}

func (p Policy) matches(err error) bool {
	var coded interface{ ErrorCode() string }
	return p.Is != nil && errors.Is(err, p.Is) ||
		p.Code != "" && errors.As(err, &coded) && coded.ErrorCode() == p.Code
}

// Tally counts the vectors of one file.
type Tally struct {
	t      TB
	name   string
	want   int
	failed int
	// What became of the vectors that passed: accepted, refused as the file wants it, refused although the file would have it accepted.
	accepted, refused, byPolicy int
	reasons                     map[string]int
}

// Start begins to count the vectors of a file.
func (f File[G]) Start(t TB) *Tally {
	return &Tally{t: t, name: f.Name, want: f.NumberOfTests, reasons: map[string]int{}}
}

// Check counts one vector, of which err is the outcome. With a policy, whatever the file says, the
// vector must be refused as the policy says.
func (c *Tally) Check(test Test, err error, policy Policy) {
	c.t.Helper()
	switch {
	case policy.Reason != "":
		if !policy.matches(err) {
			c.fail(test, err, "policy demands a refusal: "+policy.Reason)
			return
		}
		if test.Result != "invalid" {
			c.reasons[policy.Reason]++
			c.byPolicy++
			return
		}
	case test.Result == "invalid" && err == nil:
		c.fail(test, err, "accepted")
		return
	case test.Result != "invalid" && err != nil:
		c.fail(test, err, "refused without a policy that says so")
		return
	}
	if err == nil {
		c.accepted++
	} else {
		c.refused++
	}
}

func (c *Tally) fail(test Test, err error, what string) {
	c.t.Helper()
	c.failed++
	c.t.Errorf("%s: vector %d (%s, %s %v): %s: %v", c.name, test.ID, test.Result, test.Comment, test.Flags, what, err)
}

// Finish says how many vectors passed, and fails if that is not all of them.
func (c *Tally) Finish() {
	c.t.Helper()
	var reasons []string
	for reason, count := range c.reasons {
		reasons = append(reasons, fmt.Sprintf("%d: %s", count, reason))
	}
	slices.Sort(reasons)
	c.t.Logf("%s: %d accepted, %d refused, %d refused by policy: %s", c.name, c.accepted, c.refused, c.byPolicy, strings.Join(reasons, "; "))
	if passed := c.accepted + c.refused + c.byPolicy; passed != c.want {
		c.t.Errorf("%s: %d vectors passed, %d failed, the file has %d", c.name, passed, c.failed, c.want)
	}
}

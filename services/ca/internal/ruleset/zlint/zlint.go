// Package zlint asks the program zlint, version 3, for a second opinion on a certificate before it is signed. Its main type is [Linter].
//
// The program runs as a process of its own, and not as a library within this one, because its parser computes MD5 and SHA-1 fingerprints of every
// certificate: under FIPS 140-3 enforcement that ends the process. It sees public data alone: the bytes that are about to be signed, with a signature of
// zeros. A look takes some ten milliseconds, so that it is made only where a profile asks for it; the rules of package ruleset are the first opinion.
package zlint

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/ruleset"
)

const (
	// maxOutput bounds what the program says, in bytes; the results of all lints are about 22 KiB.
	maxOutput = 1 << 20
	// maxTime bounds one run.
	maxTime = 30 * time.Second
	// minLints is how many lints a zlint of version 3 has at least; another program that happens to have the name has none.
	minLints = 300
)

// skippedSources are rules for certificates that no family here issues.
var skippedSources = []string{
	"CABF_CS_BR",    // publicly trusted code signing
	"CABF_SMIME_BR", // publicly trusted mail
	"ETSI_ESI",      // qualified certificates of the European Union
}

// privateSources are skipped for the family private beside those: rules of the public web.
var privateSources = []string{"Apple", "CABF_BR", "CABF_EV", "Chrome", "Mozilla"}

// skippedLints are lints that cannot find anything here, or cost more than they find. Measured on an EC key: all lints 59 ms, without the first 10 ms,
// of which the start of the program is 8 ms.
var skippedLints = []string{
	"e_ecdsa_small_private_key",               // 45 ms: multiplies the generator by one small number after the other; a proof of possession stands before
	"e_cert_issued_by_compromised_emudhra_ca", // 15 ms: about the keys of another authority
}

// Linter runs the program. It is safe for concurrent use.
type Linter struct {
	path  string
	lints int
}

// New makes sure that the file is zlint, by asking for its lints.
func New(ctx context.Context, path string) (*Linter, error) {
	l := &Linter{path: path}
	output, err := l.run(ctx, nil, "-list-lints-json")
	if err != nil {
		return nil, fmt.Errorf("start zlint: %w", err)
	}
	var names []string
	decoder := json.NewDecoder(bytes.NewReader(output))
	for {
		var lint struct {
			Name string `json:"name"`
		}
		err := decoder.Decode(&lint)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("start zlint: read its lints: %w", err)
		}
		names = append(names, lint.Name)
	}
	if len(names) < minLints {
		return nil, fmt.Errorf("start zlint: %s has %d lints, where zlint 3 has at least %d", path, len(names), minLints)
	}
	for _, skipped := range skippedLints {
		if !slices.Contains(names, skipped) {
			return nil, fmt.Errorf("start zlint: %s has no lint %s: it is not the version that this program was tried with, 3.7.3", path, skipped)
		}
	}
	l.lints = len(names)
	return l, nil
}

// Lints is how many lints the program has.
func (l *Linter) Lints() int { return l.lints }

// Check asks about a TBSCertificate. Findings are named "zlint_" and the name of the lint; infos are no findings. An error means that there is no opinion.
func (l *Linter) Check(ctx context.Context, tbs []byte, family ruleset.Family) ([]ruleset.Finding, error) {
	text, err := certificate.Assemble(tbs, placeholder())
	if err != nil {
		return nil, fmt.Errorf("ask zlint: %w", err)
	}
	sources := skippedSources
	if family == ruleset.Private {
		sources = slices.Concat(skippedSources, privateSources)
	}
	output, err := l.run(ctx, text, "-format", "der", "-excludeSources", strings.Join(sources, ","), "-excludeNames", strings.Join(skippedLints, ","), "-")
	if err != nil {
		return nil, fmt.Errorf("ask zlint: %w", err)
	}
	var results map[string]struct {
		Result  string `json:"result"`
		Details string `json:"details"`
	}
	if err := json.Unmarshal(output, &results); err != nil {
		return nil, fmt.Errorf("ask zlint: read its answer: %w", err)
	}
	if len(results) == 0 {
		return nil, errors.New("ask zlint: it has looked at nothing")
	}
	var found []ruleset.Finding
	for name, result := range results {
		finding := ruleset.Finding{Rule: "zlint_" + name, Citation: "zlint", Detail: result.Details}
		switch result.Result {
		case "error", "fatal":
			finding.Severity = ruleset.Error
		case "warn":
			finding.Severity = ruleset.Warning
		case "NA", "NE", "pass", "info":
			continue
		default:
			return nil, fmt.Errorf("ask zlint: lint %s says %q, which is no result of version 3", name, result.Result)
		}
		if finding.Detail == "" {
			finding.Detail = "the lint " + name + " found something"
		}
		found = append(found, finding)
	}
	slices.SortFunc(found, func(a, b ruleset.Finding) int { return strings.Compare(a.Rule, b.Rule) })
	return found, nil
}

// placeholder is a signature that is well formed for ECDSA and long enough for others: nobody verifies it.
func placeholder() []byte {
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		b.AddASN1Int64(1)
	})
	return b.BytesOrPanic()
}

// run starts the program with an empty environment and returns what it says.
func (l *Linter) run(ctx context.Context, input []byte, arguments ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	command := exec.CommandContext(ctx, l.path, arguments...) //nolint:gosec // the operator's program, with fixed arguments
	command.Env = []string{}
	command.Stdin = bytes.NewReader(input)
	output, complaint := bounded{}, bounded{}
	command.Stdout, command.Stderr = &output, &complaint
	if err := command.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("run %s: %w", l.path, ctx.Err())
		}
		return nil, fmt.Errorf("run %s: %w: %.300s", l.path, err, complaint.text.String())
	}
	return output.text.Bytes(), nil
}

// bounded takes a bounded number of bytes.
type bounded struct{ text bytes.Buffer }

func (b *bounded) Write(part []byte) (int, error) {
	if b.text.Len()+len(part) > maxOutput {
		return 0, errors.New("it says too much")
	}
	return b.text.Write(part)
}

package ca

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"

	"github.com/cryptoutil/cryptoutil/services/ca/internal/certificate"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/profile"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/ruleset"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/ruleset/weakkey"
	"github.com/cryptoutil/cryptoutil/services/ca/internal/ruleset/zlint"
)

// rules hold what is about to be signed to the family of its profile: the program's own, and zlint's where the profile asks.
type rules struct {
	native *ruleset.Set
	second *zlint.Linter // nil for none
	log    *slog.Logger
}

// maxBlockedKeys bounds a file of blocked keys in bytes.
const maxBlockedKeys = 256 << 20

// What a profile says of findings.
const (
	lintRefuses = "error"
	lintReports = "warn"
)

// openRules reads the lists of blocked keys and starts zlint where a profile asks for it.
func openRules(ctx context.Context, cfg RulesConfig, profiles *profile.Set, log *slog.Logger) (*rules, error) {
	var blocked []weakkey.Entry
	for _, file := range cfg.BlockedKeys {
		text, err := readFile(file.String())
		if err != nil {
			return nil, fmt.Errorf("rules.blocked_keys: %w", err)
		}
		entries, err := weakkey.Parse(text, "listed in "+file.String())
		if err != nil {
			return nil, fmt.Errorf("rules.blocked_keys: %s: %w", file, err)
		}
		blocked = append(blocked, entries...)
	}
	r := &rules{native: ruleset.New(weakkey.NewBlocklist(blocked...)), log: log}
	if cfg.ZLint != "" {
		var err error
		if r.second, err = zlint.New(ctx, cfg.ZLint.String()); err != nil {
			return nil, fmt.Errorf("rules.zlint: %w", err)
		}
		return r, nil
	}
	for _, name := range profiles.Names() {
		p, err := profiles.Find(name)
		if err == nil && p.Lint.ZLint == lintRefuses {
			return nil, fmt.Errorf("profile %s wants zlint's opinion: name the program in rules.zlint, or set lint.zlint of the profile to off", name)
		}
	}
	return r, nil
}

// readFile reads a file that is not too long.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxBlockedKeys {
		return nil, fmt.Errorf("%s has %d bytes, more than %d", path, info.Size(), maxBlockedKeys)
	}
	return os.ReadFile(path)
}

// Check implements issuance.Rules.
func (r *rules) Check(ctx context.Context, tbs []byte, p *profile.Profile, lab bool, intent certificate.Intent, now time.Time) error {
	family := p.Rules(lab)
	if level := p.Lint.Native; level == lintRefuses || level == lintReports {
		if err := r.judge(ctx, p, level, r.native.Check(tbs, intent, family, now)); err != nil {
			return err
		}
	}
	level := p.Lint.ZLint
	if r.second == nil || level != lintRefuses && level != lintReports {
		return nil
	}
	found, err := r.second.Check(ctx, tbs, family)
	if err != nil && level == lintRefuses {
		return problem.New("rules_violated", "zlint gave no opinion, which profile %s wants", p.Name).Because(err)
	}
	return r.judge(ctx, p, level, found)
}

// judge refuses a certificate that breaks rules, or only tells of them.
func (r *rules) judge(ctx context.Context, p *profile.Profile, level string, found []ruleset.Finding) error {
	refused := problem.New("rules_violated", "the certificate would break rules of family %s", p.Family)
	for _, f := range found {
		if f.Severity == ruleset.Error && level == lintRefuses {
			refused = refused.With(problem.Field{Pointer: "", Detail: fmt.Sprintf("%s (%s): %s", f.Rule, f.Citation, f.Detail)})
			continue
		}
		r.log.WarnContext(ctx, "a certificate is not as rules advise", "profile", p.Name, "rule", f.Rule, "citation", f.Citation, "detail", f.Detail)
	}
	if level == lintRefuses && slices.ContainsFunc(found, func(f ruleset.Finding) bool { return f.Severity == ruleset.Error }) {
		return refused
	}
	return nil
}

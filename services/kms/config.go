package kms

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/service"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// Config is the configuration of a KMS.
type Config struct {
	service.Config `koanf:",squash"`

	// Keys is about what is kept in memory, waits and upkeep.
	Keys KeysConfig `koanf:"keys"`
	// Backup is about backups of keys.
	Backup BackupConfig `koanf:"backup"`
}

// KeysConfig is about keys in memory, and about what happens to keys by itself.
type KeysConfig struct {
	// Cache is how many opened keys are kept.
	Cache int `koanf:"cache"`
	// MinWaitDays is the shortest wait, 7 to 30 days, before a key is deleted or a version destroyed.
	MinWaitDays int `koanf:"min_wait_days" live:"true"`
	// TenantMinWaitDays is the shortest wait of single tenants, by id, instead of min_wait_days.
	TenantMinWaitDays map[string]int `koanf:"tenant_min_wait_days" live:"true"`
	// MaintenanceInterval is how often one of the replicas looks for keys to be rotated, announced, deleted or destroyed.
	MaintenanceInterval time.Duration `koanf:"maintenance_interval"`
	// FlushInterval is how often each replica stores what keys were used for. A crash loses no more than that.
	FlushInterval time.Duration `koanf:"flush_interval"`
	// InlineLimit is how many bytes one request may have encrypted or signed. Files of any size are a matter of the command line.
	InlineLimit int `koanf:"inline_limit" live:"true"`
}

const day = 24 * time.Hour

// Validate implements config.Validator.
func (c KeysConfig) Validate() []config.Problem {
	var problems []config.Problem
	const most = 1_000_000
	if c.Cache < 1 || c.Cache > most {
		problems = append(problems, config.Problem{Path: "cache", Message: "is out of range", Suggestion: "1 to 1000000"})
	}
	if c.InlineLimit < 1 || c.InlineLimit > keyring.MaxInline {
		problems = append(problems, config.Problem{Path: "inline_limit", Message: "is out of range", Suggestion: "1 to 1048576 bytes"})
	}
	days := func(path string, days int) {
		if wait := time.Duration(days) * day; wait < keyring.MinWait || wait > keyring.MaxWait {
			problems = append(problems, config.Problem{
				Path: path, Message: "is out of range", Suggestion: fmt.Sprintf("%d to %d days", keyring.MinWait/day, keyring.MaxWait/day),
			})
		}
	}
	days("min_wait_days", c.MinWaitDays)
	var tenants []string
	for tenant := range c.TenantMinWaitDays {
		tenants = append(tenants, tenant)
	}
	slices.Sort(tenants)
	for _, tenant := range tenants {
		days("tenant_min_wait_days."+tenant, c.TenantMinWaitDays[tenant])
	}
	interval := func(path string, interval, least, most time.Duration) {
		if interval < least || interval > most {
			problems = append(problems, config.Problem{Path: path, Message: "is out of range", Suggestion: fmt.Sprintf("%s to %s", least, most)})
		}
	}
	interval("maintenance_interval", c.MaintenanceInterval, 100*time.Millisecond, time.Hour)
	interval("flush_interval", c.FlushInterval, 100*time.Millisecond, time.Minute)
	return problems
}

// leastWait is the shortest wait of a tenant.
func (c KeysConfig) leastWait(_ context.Context, tenant string) (time.Duration, error) {
	if days, own := c.TenantMinWaitDays[tenant]; own {
		return time.Duration(days) * day, nil
	}
	return time.Duration(c.MinWaitDays) * day, nil
}

// Defaults is what a configuration file starts from.
func Defaults() Config {
	return Config{Config: service.Defaults(defaultPublic, defaultAdmin), Keys: KeysConfig{
		Cache: keyring.DefaultCacheKeys, InlineLimit: keyring.DefaultInline, MinWaitDays: int(keyring.MinWait / day), MaintenanceInterval: 10 * time.Second, FlushInterval: time.Second,
	}}
}

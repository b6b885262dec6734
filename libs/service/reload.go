package service

import (
	"errors"

	"github.com/cryptoutil/cryptoutil/libs/config"
)

// Reload takes over what can change while the service runs: what the configuration calls live, certificates and the realm. It logs the keys
// that have changed and need a restart. What cannot be used stays as it was.
func (i *Instance) Reload(cfg *Config) error { return i.reload(cfg, nil) }

// reload is Reload with the whole configuration, as a pointer to it, where there is one.
func (i *Instance) reload(cfg *Config, whole any) error {
	i.reloading.Lock()
	defer i.reloading.Unlock()
	p := i.platform
	var restart []string
	before, after := any(i.config), any(cfg)
	if whole != nil {
		before, after = i.own, whole
	}
	for _, change := range config.Changes(before, after) {
		if !change.Live {
			restart = append(restart, change.Path)
		}
	}
	if len(restart) > 0 {
		p.Log.Warn("configuration has changed that takes effect with the next start", "keys", restart)
	}
	errs := []error{i.server.Reload(cfg.Config), p.Telemetry.SetLevel(cfg.Telemetry.LogLevel)}
	for _, material := range p.tls.all() {
		errs = append(errs, material.Reload())
	}
	if p.file != nil {
		errs = append(errs, p.file.Reload())
	}
	p.DB.SetMaxConnections(cfg.Database.MaxConnections)
	if whole != nil && i.domain.Reload != nil {
		i.domain.Reload(whole)
	}
	return errors.Join(errs...)
}

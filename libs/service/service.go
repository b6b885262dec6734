package service

import (
	"context"

	"github.com/go-chi/chi/v5"

	"github.com/cryptoutil/cryptoutil/libs/auth/quorum"
	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/database"
	"github.com/cryptoutil/cryptoutil/libs/database/rewrap"
	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Description is what a service is called and what it offers.
type Description struct {
	// Product is its name in command lines, scopes and context files, such as "kms".
	Product string
	// Name is its binary's, such as "kms-server", also in logs, traces and the database's list of connections.
	Name string
	// Summary says in one line what it is.
	Summary string
	// Public and Admin are the ports that it listens on, on loopback, unless it is told otherwise.
	Public, Admin string
	// MTLS is the one for programs with client certificates that a new data directory is configured with; empty for none.
	MTLS string
	// Document is its OpenAPI document.
	Document []byte
	// Codes are its own problem codes.
	Codes problem.Table
	// Scopes are all scopes that mean something to it; the first one allows everything.
	Scopes []string
	// Operate and Use are the scopes of the built-in roles operator and user.
	Operate, Use []string
	// Migrations is its own set of schema changes.
	Migrations func() (database.Set, error)
}

// Service is a description and how the service is built. C is its configuration, a struct that embeds [Config].
type Service[C any] struct {
	Description

	// Defaults is what a configuration starts from.
	Defaults func() C
	// Build makes the domain. What it opens, Domain.Close ends.
	Build func(ctx context.Context, cfg C, p *Platform) (Domain, error)
}

// Domain is what a service adds to the platform.
type Domain struct {
	// Mount registers a handler for every operation of the service's document.
	Mount func(r chi.Router, errs server.ErrorHandlers)
	// Protocols are its routes outside the API.
	Protocols []server.Protocol
	// Rules say who must approve what; nil for a service in which nothing takes approvals.
	Rules quorum.Rules
	// Checks are what readiness looks at beside the platform's own.
	Checks []server.Check
	// Tasks run until their context ends; Run waits for them.
	Tasks []func(ctx context.Context)
	// Values are the tables with values that the barrier has wrapped.
	Values []rewrap.Source
	// Transient are the purposes of values that the barrier has wrapped and that live for less than two days, which need no source.
	Transient []string
	// Forget drops opened keys; it is called when the barrier is sealed. Nil for nothing.
	Forget func()
	// Reload takes over what is live of the service's own part of a configuration that was read again; nil for nothing. See Reloading.
	Reload func(whole any)
	// Close ends what Build opened; nil for nothing.
	Close func() error
}

// Reloading is a Domain.Reload of a service whose configuration is a C.
func Reloading[C any](take func(cfg C)) func(whole any) {
	return func(whole any) {
		if cfg, ok := whole.(*C); ok {
			take(*cfg)
		}
	}
}

// Common is the part of a service's configuration that the platform is built from.
func Common[C any](cfg *C) *Config { return common(cfg) }

func common[C any](cfg *C) *Config {
	if embedding, ok := any(cfg).(interface{ Platform() *Config }); ok {
		return embedding.Platform()
	}
	panic("service: the configuration does not embed service.Config")
}

// Load reads a configuration. dev is set by development mode alone.
func (s Service[C]) Load(src config.Source, dev bool) (C, error) {
	cfg := s.Defaults()
	common(&cfg).Secrets.Dev = dev
	if err := config.Load(&cfg, src); err != nil {
		var none C
		return none, err
	}
	return cfg, nil
}

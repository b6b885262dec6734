package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// probeTimeout bounds one probe: a check that does not answer has failed.
const probeTimeout = 2 * time.Second

// retryHealth is when to ask again for a report that was not good, in seconds.
const retryHealth = "1"

// Check is one thing that the service depends on.
type Check struct {
	// Name is what operators know it by: "database", "migrations", "identity".
	Name string
	// Required tells that the service is not ready without it; otherwise it is degraded.
	Required bool
	// Probe looks. The text of its error is shown on the admin listener. It ends when ctx does.
	Probe func(ctx context.Context) error
}

// Statuses of a report and of one check.
const (
	StatusOK       = "ok"
	StatusDegraded = "degraded" // an optional check fails
	StatusFailing  = "failing"  // a required check fails
	StatusDraining = "draining" // the service is ending
)

// Report is the answer of readyz and healthz.
type Report struct {
	Status string        `json:"status"`
	Checks []CheckResult `json:"checks"`
}

// CheckResult is the outcome of one check.
type CheckResult struct {
	Name      string  `json:"name"`
	Required  bool    `json:"required"`
	Status    string  `json:"status"` // StatusOK or StatusFailing
	LatencyMS float64 `json:"latency_ms"`
	Detail    string  `json:"detail,omitempty"`
}

// checks returns those of the service and of the platform.
func (s *Server) checks() []Check {
	if s.deps.Barrier == nil {
		return s.deps.Checks
	}

	return append([]Check{{Name: "barrier", Required: true, Probe: s.probeSeal}}, s.deps.Checks...)
}

func (s *Server) probeSeal(context.Context) error {
	if !s.deps.Barrier.Sealed() {
		return nil
	}
	reason := s.deps.Operator.Status().Reason
	if reason == "" {
		return errors.New("sealed")
	}

	return fmt.Errorf("sealed: %s", reason)
}

// examine runs checks side by side.
func examine(ctx context.Context, checks []Check) Report {
	results := make([]CheckResult, len(checks))
	var running sync.WaitGroup
	for i, check := range checks {
		running.Go(func() { results[i] = probe(ctx, check) })
	}
	running.Wait()

	report := Report{Status: StatusOK, Checks: results}
	for _, r := range results {
		switch {
		case r.Status == StatusOK:
		case r.Required:
			report.Status = StatusFailing
		case report.Status == StatusOK:
			report.Status = StatusDegraded
		}
	}

	return report
}

// probe runs one check. One that ignores its context is left behind; its answer is not waited for.
func probe(ctx context.Context, check Check) CheckResult {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	start := time.Now()
	outcome := make(chan error, 1)
	go func() {
		defer func() {
			if cause := recover(); cause != nil {
				outcome <- fmt.Errorf("the probe panicked: %v", cause)
			}
		}()
		outcome <- check.Probe(ctx)
	}()
	var err error
	select {
	case err = <-outcome:
	case <-ctx.Done():
		err = fmt.Errorf("no answer within %s", probeTimeout)
	}
	result := CheckResult{
		Name: check.Name, Required: check.Required, Status: StatusOK, LatencyMS: float64(time.Since(start).Microseconds()) / 1000,
	}
	if err != nil {
		result.Status, result.Detail = StatusFailing, err.Error()
	}

	return result
}

// liveness says that the process serves. It looks at nothing.
func (s *Server) liveness(_ *call, w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, Report{Status: StatusOK, Checks: []CheckResult{}})
}

// readiness says whether requests may be sent here: only required checks fail it, the others degrade it.
func (s *Server) readiness(c *call, w http.ResponseWriter, _ *http.Request) {
	if s.draining.Load() {
		s.report(w, Report{Status: StatusDraining, Checks: []CheckResult{}})

		return
	}
	s.report(w, examine(c, s.checks()))
}

// health looks at everything.
func (s *Server) health(c *call, w http.ResponseWriter, _ *http.Request) {
	report := examine(c, s.checks())
	if s.draining.Load() {
		report.Status = StatusDraining
	}
	s.report(w, report)
}

func (s *Server) report(w http.ResponseWriter, report Report) {
	status := http.StatusOK
	if report.Status == StatusFailing || report.Status == StatusDraining {
		status = http.StatusServiceUnavailable
		w.Header()["Retry-After"] = []string{retryHealth}
	}
	writeJSON(w, status, report)
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil { // the values are the platform's own
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the client has gone; there is nobody to tell
}

package server

import (
	"net/http"

	"github.com/cryptoutil/cryptoutil/libs/config"
	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// RekeyReport tells how far a change of the unseal material is.
type RekeyReport struct {
	// State is none, authorizing, staged or verified.
	State string `json:"state"`
	// Mode, UnsealKeyID, Threshold and Shares are of the new material.
	Mode        string `json:"mode,omitempty"`
	UnsealKeyID string `json:"unseal_key_id,omitempty"`
	Threshold   int    `json:"threshold,omitempty"`
	Shares      int    `json:"shares,omitempty"`
	// Submitted of Wanted shares of the set SetID are there, for authorization or proof.
	Submitted int    `json:"submitted,omitempty"`
	Wanted    int    `json:"wanted,omitempty"`
	SetID     string `json:"set_id,omitempty"`
	// NewShares are the new shares, in the one answer that made them.
	NewShares []string `json:"new_shares,omitempty"`
}

// RecoveryReport is a set of recovery shares.
type RecoveryReport struct {
	SetID     string `json:"set_id,omitempty"`
	Threshold int    `json:"threshold,omitempty"`
	Shares    int    `json:"shares,omitempty"`
	Submitted int    `json:"submitted,omitempty"`
	// Verified tells that a threshold of the shares has proven to open the unseal key.
	Verified bool `json:"verified"`
	// NewShares are the new shares, in the one answer that made them.
	NewShares []string `json:"new_shares,omitempty"`
}

func (a BarrierAdmin) rekeyReport(status unseal.RekeyStatus, err error) (RekeyReport, error) {
	if err != nil {
		return RekeyReport{}, err
	}

	return RekeyReport{
		State: string(status.State), Mode: string(status.Rekey.Mode), UnsealKeyID: status.Rekey.ToKeyID,
		Threshold: status.Rekey.Threshold, Shares: status.Rekey.Shares,
		Submitted: status.Progress.Submitted, Wanted: status.Progress.Threshold, SetID: status.Progress.SetID, NewShares: status.NewShares,
	}, nil
}

func (a BarrierAdmin) rekeyStatus(r *http.Request) (any, error) {
	return a.rekeyReport(a.Operator.RekeyStatus(r.Context()))
}

func (a BarrierAdmin) rekeyStart(r *http.Request) (any, error) {
	body, err := readBarrierRequest(r, "mode", "shares", "threshold", "secret", "jwk")
	if err != nil {
		return nil, err
	}
	request := unseal.RekeyRequest{Material: unseal.Material{Mode: unseal.Mode(body.Mode)}, Shares: body.Shares, Threshold: body.Threshold}
	if request.Secret, err = a.readSecret("secret", body.Secret); err != nil {
		return nil, err
	}
	defer clear(request.Secret)
	if request.JWK, err = a.readSecret("jwk", body.JWK); err != nil {
		return nil, err
	}
	defer clear(request.JWK)
	if request.Mode == unseal.KMS {
		if request.Remote = a.Remote; a.Remote == nil {
			return nil, problem.New(problem.BadRequest, "the configuration names no installation that could unseal this one")
		}
	}
	logBarrier(r, "rekeying started", "mode", body.Mode)

	return a.rekeyReport(a.Operator.StartRekey(r.Context(), request))
}

// readSecret reads the file that a member refers to; nil for none. The answer tells the operator what is wrong with the file.
func (a BarrierAdmin) readSecret(member, reference string) ([]byte, error) {
	if reference == "" {
		return nil, nil
	}
	secret, err := config.NewSecret(reference, a.Secrets)
	if err != nil {
		return nil, problem.New(problem.ValidationFailed, "%s %s; write file:///path", member, err)
	}
	content, err := secret.Read()
	if err != nil {
		return nil, problem.New(problem.BadRequest, "%s: %s", member, err)
	}

	return content, nil
}

func (a BarrierAdmin) rekeyShare(r *http.Request) (any, error) {
	body, err := readBarrierRequest(r, "share")
	if err != nil {
		return nil, err
	}
	if body.Share == "" {
		return nil, problem.New(problem.BadRequest, "submit a share")
	}

	return a.rekeyReport(a.Operator.AuthorizeRekey(r.Context(), body.Share))
}

func (a BarrierAdmin) rekeyVerify(r *http.Request) (any, error) {
	body, err := readBarrierRequest(r, "share")
	if err != nil {
		return nil, err
	}

	return a.rekeyReport(a.Operator.VerifyRekey(r.Context(), body.Share))
}

func (a BarrierAdmin) rekeyCommit(r *http.Request) (any, error) {
	report, err := a.rekeyReport(a.Operator.CommitRekey(r.Context()))
	if err == nil {
		logBarrier(r, "rekeying committed: the old unseal material opens nothing any more")
	}

	return report, err
}

func (a BarrierAdmin) rekeyCancel(r *http.Request) (any, error) {
	report, err := a.rekeyReport(a.Operator.CancelRekey(r.Context()))
	if err == nil {
		logBarrier(r, "rekeying cancelled")
	}

	return report, err
}

func (a BarrierAdmin) recoveryNew(r *http.Request) (any, error) {
	body, err := readBarrierRequest(r, "shares", "threshold")
	if err != nil {
		return nil, err
	}
	shares, err := a.Operator.NewRecovery(r.Context(), body.Shares, body.Threshold)
	if err != nil {
		return nil, err
	}
	logBarrier(r, "recovery shares made", "shares", body.Shares, "threshold", body.Threshold)

	return RecoveryReport{Threshold: body.Threshold, Shares: body.Shares, NewShares: shares}, nil
}

func (a BarrierAdmin) recoveryVerify(r *http.Request) (any, error) {
	body, err := readBarrierRequest(r, "share")
	if err != nil {
		return nil, err
	}
	progress, verified, err := a.Operator.VerifyRecovery(r.Context(), body.Share)

	return RecoveryReport{SetID: progress.SetID, Threshold: progress.Threshold, Submitted: progress.Submitted, Verified: verified}, err
}

// logBarrier tells what an operator changed.
func logBarrier(r *http.Request, message string, args ...any) {
	c := callOf(r)
	c.server.log.WarnContext(c, "barrier administration", append([]any{"request_id", c.requestID(), "done", message}, args...)...)
}

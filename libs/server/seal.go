package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier/unseal"
	"github.com/cryptoutil/cryptoutil/libs/server/jsonscan"
)

// Barrier is asked with every public request. [barrier.Barrier] is one.
type Barrier interface {
	Sealed() bool
}

// Operator opens and closes the barrier. [unseal.Operator] is one. What the sender of a share has done wrong is a coded error; other
// errors are faults of the service.
type Operator interface {
	// Start opens the barrier where that takes no shares, and does nothing where it takes some.
	Start(ctx context.Context) error
	SubmitShare(ctx context.Context, text string) (unseal.Status, error)
	Seal(ctx context.Context) error
	Status() unseal.Status
}

// SealStatus is the answer of the admin listener about the barrier.
type SealStatus struct {
	Sealed bool   `json:"sealed"`
	Mode   string `json:"mode"`
	// Threshold shares of the set SetID open the barrier; Submitted of them are there.
	Threshold int    `json:"threshold,omitempty"`
	Submitted int    `json:"submitted,omitempty"`
	SetID     string `json:"set_id,omitempty"`
	// Reason says why it is sealed and what to do.
	Reason string `json:"reason,omitempty"`
}

func (s *Server) sealStatus(_ *call, w http.ResponseWriter, _ *http.Request) {
	status := s.deps.Operator.Status()
	writeJSON(w, http.StatusOK, SealStatus{
		Sealed: status.Sealed, Mode: string(status.Mode), Threshold: status.Threshold, Submitted: status.Submitted, SetID: status.SetID, Reason: status.Reason,
	})
}

func (s *Server) seal(c *call, w http.ResponseWriter, r *http.Request) {
	if err := s.deps.Operator.Seal(c); err != nil {
		s.fail(c, w, r, fmt.Errorf("seal: %w", err))

		return
	}
	s.log.WarnContext(c, "sealed by an operator", "request_id", c.requestID())
	s.sealStatus(c, w, r)
}

// unsealBody is the body of an unseal request: a share, or nothing where the service has the unseal key by itself.
type unsealBody struct {
	Share string `json:"share"`
}

// maxShareBody bounds it in bytes; a share has a few hundred.
const maxShareBody = 16 << 10

func (s *Server) unseal(c *call, w http.ResponseWriter, r *http.Request) {
	body, err := readShare(r)
	if err != nil {
		s.fail(c, w, r, err)

		return
	}
	if body.Share == "" {
		err = s.deps.Operator.Start(c)
	} else {
		_, err = s.deps.Operator.SubmitShare(c, body.Share)
	}
	if err != nil {
		s.fail(c, w, r, fmt.Errorf("unseal: %w", err))

		return
	}
	if !s.deps.Barrier.Sealed() {
		s.log.WarnContext(c, "unsealed by an operator", "request_id", c.requestID())
	}
	s.sealStatus(c, w, r)
}

func readShare(r *http.Request) (body unsealBody, err error) {
	content, err := readAtMost(r, maxShareBody)
	if err != nil {
		return body, err
	}
	shape := jsonscan.Shape{Kinds: jsonscan.Object, Closed: true}
	if err := shape.SetMembers([]jsonscan.Member{{Name: "share", Shape: &jsonscan.Shape{Kinds: jsonscan.String}}}); err != nil {
		return body, err
	}
	if err := jsonscan.Scan(content, &shape); err != nil {
		return body, err
	}

	err = json.Unmarshal(content, &body)

	return body, err
}

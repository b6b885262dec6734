package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/cryptoutil/cryptoutil/libs/server/jsonscan"
)

// SealStatus says how the barrier stands.
type SealStatus struct {
	Sealed bool   `json:"sealed"`
	Mode   string `json:"mode"`
	// Threshold shares of the set SetID open the barrier; Submitted of them have come since it was sealed.
	Threshold int    `json:"threshold,omitempty"`
	Submitted int    `json:"submitted,omitempty"`
	SetID     string `json:"set_id,omitempty"`
	// Reason says why it is sealed.
	Reason string `json:"reason,omitempty"`
}

// Seal is the barrier's door as the server uses it.
type Seal interface {
	// Sealed is asked with every public request.
	Sealed() bool
	Status() SealStatus
	// SubmitShare takes one share's text. Its errors are coded, or faults of the service.
	SubmitShare(ctx context.Context, share string) (SealStatus, error)
	// Seal closes the barrier.
	Seal(ctx context.Context) error
}

// maxShareBody bounds the body of an unseal request in bytes; a share is a few hundred.
const maxShareBody = 16 << 10

func (s *Server) sealStatus(_ *call, w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, s.deps.Seal.Status())
}

func (s *Server) seal(c *call, w http.ResponseWriter, r *http.Request) {
	if err := s.deps.Seal.Seal(c); err != nil {
		s.fail(c, w, r, fmt.Errorf("seal: %w", err))

		return
	}
	s.log.WarnContext(c, "sealed by an operator", "request_id", c.id)
	writeJSON(w, http.StatusOK, s.deps.Seal.Status())
}

// unseal takes {"share": text}.
func (s *Server) unseal(c *call, w http.ResponseWriter, r *http.Request) {
	content, err := readAtMost(r, maxShareBody)
	if err != nil {
		s.fail(c, w, r, err)

		return
	}
	shape := jsonscan.Shape{Kinds: jsonscan.Object, Closed: true}
	err = shape.SetMembers([]jsonscan.Member{{Name: "share", Required: true, Shape: &jsonscan.Shape{Kinds: jsonscan.String, MinLength: 1}}})
	if err == nil {
		err = jsonscan.Scan(content, &shape)
	}
	var body struct {
		Share string `json:"share"`
	}
	if err == nil {
		err = json.Unmarshal(content, &body)
	}
	if err != nil {
		s.fail(c, w, r, err)

		return
	}
	status, err := s.deps.Seal.SubmitShare(c, body.Share)
	if err != nil {
		s.fail(c, w, r, fmt.Errorf("unseal: %w", err))

		return
	}
	if !status.Sealed {
		s.log.WarnContext(c, "unsealed by an operator", "request_id", c.id)
	}
	writeJSON(w, http.StatusOK, status)
}

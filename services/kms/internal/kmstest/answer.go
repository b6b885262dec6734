package kmstest

import (
	"github.com/cryptoutil/cryptoutil/libs/service/servicetest"
)

// Answer is a response of the KMS, read whole.
type Answer struct {
	servicetest.Answer
}

package server

import "context"

// BodyFrom is the body of the request that ctx belongs to, as the validation has read it: nobody may change it. It is nil where a handler reads
// the body itself, and for a request without one.
func BodyFrom(ctx context.Context) []byte {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c.body
	}

	return nil
}

// CheckItem checks one item of a batch (contract.Operation.Batch) by the operation's document.
func CheckItem(ctx context.Context, item []byte) error {
	if c, ok := ctx.Value(callKey{}).(*call); ok && c.route != nil && c.route.op != nil {
		return c.route.op.CheckItem(item)
	}

	return nil
}

package audit

import "context"

// The steps of Run, one at a time.

func (l *Log) Flush(ctx context.Context) error { return l.flush(ctx) }

func (l *Log) TakeOver(ctx context.Context) error { return l.takeOver(ctx) }

func (l *Log) Sequence(ctx context.Context, fence func(context.Context) error) error {
	return l.sequence(ctx, fence)
}

func (l *Log) Retain(ctx context.Context, fence func(context.Context) error) error {
	return l.retain(ctx, fence)
}

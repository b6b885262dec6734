package backup

import (
	"context"
	"fmt"
	"io"

	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// Part is one piece of a backup that is encrypted anew: it is a whole backup by itself.
type Part struct {
	Number int // from 0
	// To is whom it is for, and Into where it goes.
	To   *jwk.Key
	Into io.Writer
	// Close is called with nil when the part is whole, and otherwise with what went wrong.
	Close func(error) error
}

// Reseal opens a backup with a recipient's private key and encrypts its records to others, in parts of about size bytes. begin makes each part.
// The whole backup is read and found good before the first part is made, so src is read twice: open returns it from its beginning. The
// private key stays where Reseal runs.
func Reseal(ctx context.Context, open func() (io.ReadCloser, error), key *jwk.Key, size int64, begin func(number int, head Head) (Part, error)) (Head, Manifest, error) {
	head, manifest, err := pass(ctx, open, key, func([]byte) error { return nil })
	if err != nil {
		return Head{}, Manifest{}, err
	}
	out := &parts{ctx: ctx, head: head, size: size, begin: begin}
	_, again, err := pass(ctx, open, key, out.take)
	if err == nil && again != manifest {
		err = ErrIncomplete
	}
	if err := out.end(err); err != nil {
		return Head{}, Manifest{}, fmt.Errorf("encrypt backup anew: %w", err)
	}
	return head, manifest, nil
}

// pass reads a backup from its beginning to its end.
func pass(ctx context.Context, open func() (io.ReadCloser, error), key *jwk.Key, each func([]byte) error) (Head, Manifest, error) {
	src, err := open()
	if err != nil {
		return Head{}, Manifest{}, err
	}
	defer src.Close()
	return Open(ctx, src, key, each)
}

// parts hands records to one part after the other.
type parts struct {
	ctx   context.Context //nolint:containedctx // of the one call that it lives for
	head  Head
	size  int64
	begin func(number int, head Head) (Part, error)

	number  int
	written int64
	records chan []byte // nil while no part is open
	done    chan error
}

// take gives a record to the part that is open, or to a new one.
func (p *parts) take(record []byte) error {
	if p.records != nil && p.written > 0 && p.written+int64(len(record)) > p.size {
		if err := p.end(nil); err != nil {
			return err
		}
	}
	if p.records == nil {
		if err := p.open(); err != nil {
			return err
		}
	}
	p.written += int64(len(record))
	select {
	case p.records <- append([]byte(nil), record...):
		return nil
	case err := <-p.done:
		p.done <- err
		return err
	}
}

func (p *parts) open() error {
	part, err := p.begin(p.number, p.head)
	if err != nil {
		return err
	}
	p.number, p.written = p.number+1, 0
	records, done := make(chan []byte), make(chan error, 1)
	p.records, p.done = records, done
	go func() {
		err := Write(p.ctx, part.Into, []*jwk.Key{part.To}, p.head, func(yield func([]byte, error) bool) {
			for record := range records {
				if record == nil {
					yield(nil, ErrIncomplete)
					return
				}
				if !yield(record, nil) {
					return
				}
				clear(record)
			}
		})
		if closing := part.Close(err); err == nil {
			err = closing
		}
		done <- err
	}()
	return nil
}

// end completes the part that is open, or breaks it off where there was a failure.
func (p *parts) end(failure error) error {
	if p.records == nil {
		return failure
	}
	if failure != nil {
		select {
		case p.records <- nil:
		case err := <-p.done:
			p.done <- err
		}
	}
	close(p.records)
	err := <-p.done
	p.records = nil
	if failure != nil {
		return failure
	}
	return err
}

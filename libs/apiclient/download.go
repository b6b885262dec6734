package apiclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Download performs an operation whose answer is a file of any size. It is repeated only as long as dst has got nothing. The timeout bounds how
// long nothing comes.
func Download(ctx context.Context, c *Caller, operation string, dst io.Writer, send func(context.Context) (*http.Response, error)) error {
	for done := 1; ; done++ {
		begun, header, err := c.receive(ctx, dst, send)
		if err == nil {
			return nil
		}
		wait, again := c.retry.next(done, err, retryAfter(header))
		if begun || !again || ctx.Err() != nil {
			return fmt.Errorf("%s: %w", operation, err)
		}
		if stopped := c.retry.pause(ctx, wait); stopped != nil {
			return fmt.Errorf("%s: %w, after: %w", operation, stopped, err)
		}
	}
}

// receive is one attempt of a download. begun tells that dst has got something.
func (c *Caller) receive(ctx context.Context, dst io.Writer, send func(context.Context) (*http.Response, error)) (begun bool, header http.Header, err error) {
	bounded, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(c.timeout, func() { cancel(context.DeadlineExceeded) })
	defer silence.Stop()

	answer, err := send(bounded)
	if err != nil {
		return false, nil, fmt.Errorf("%w: %w", errNoAnswer, because(bounded, err))
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
		if err != nil {
			return false, nil, fmt.Errorf("%w: read body: %w", errNoAnswer, because(bounded, err))
		}
		return false, answer.Header, problemFrom(answer, body)
	}
	buffer := make([]byte, 64<<10)
	for {
		silence.Reset(c.timeout)
		n, err := answer.Body.Read(buffer)
		if n > 0 {
			begun = true
			if _, err := dst.Write(buffer[:n]); err != nil {
				return begun, nil, err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return begun, answer.Header, nil
		case err != nil:
			return begun, nil, fmt.Errorf("%w: the answer breaks off: %w", errNoAnswer, because(bounded, err))
		}
	}
}

// because is the cause of an end that the error only tells as such.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}

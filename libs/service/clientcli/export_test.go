package clientcli

import (
	"bytes"
	"io"
	"time"
)

// ShowProgress reads source to its end and returns what a terminal saw meanwhile.
func ShowProgress(source io.Reader, size int64, verb string) string {
	var screen bytes.Buffer
	p := &Progress{source: source, screen: &screen, verb: verb, size: size, started: time.Now()}
	_, _ = io.Copy(io.Discard, p)
	p.End()
	return screen.String()
}

package benchtest_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/service/servicetest"
	"github.com/cryptoutil/cryptoutil/libs/tlsconfig"
)

// processorTime is what this process has used of the processors so far.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// measure runs do one by one. It reports processor time beside the time on the clock, which others on the machine lengthen.
func measure(b *testing.B, do func() error) {
	b.Helper()
	b.ReportAllocs()
	require.NoError(b, do()) // caches and connections
	before := processorTime(b)
	for b.Loop() {
		if err := do(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
}

// connectionsEach is how many connections there are for each processor.
const connectionsEach = 8

// rate is measure for several connections at once: open makes one and returns what it does again and again.
func rate(b *testing.B, open func() func() error) {
	b.Helper()
	b.SetParallelism(connectionsEach)
	connections := make(chan func() error, connectionsEach*runtime.GOMAXPROCS(0))
	for range cap(connections) {
		do := open()
		require.NoError(b, do())
		connections <- do
	}
	b.ResetTimer()
	before := processorTime(b)
	b.RunParallel(func(pb *testing.PB) {
		do := <-connections
		for pb.Next() {
			if err := do(); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
}

// bare is a handler that has body read and answers with JSON.
func bare(b *testing.B, answer func(body []byte) (any, error)) http.HandlerFunc {
	b.Helper()
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var out any
		if err == nil {
			out, err = answer(body)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(out); err != nil {
			b.Error(err)
		}
	}
}

// serveBare serves a handler behind the service's own TLS, and returns its URL.
func serveBare(b *testing.B, s *servicetest.Running, handler http.Handler) string {
	b.Helper()
	material, err := tlsconfig.Open(s.Config.TLS, tlsconfig.Options{
		Dir: filepath.Join(s.Config.DataDir.String(), "tls"), Secrets: s.Config.Secrets, Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(b, err)
	listener, err := (&net.ListenConfig{}).Listen(b.Context(), "tcp", "127.0.0.1:0")
	require.NoError(b, err)
	server := &http.Server{TLSConfig: material.ServerConfig(), ReadHeaderTimeout: time.Minute, Handler: handler}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.ServeTLS(listener, "", "") // it ends by Close
	}()
	b.Cleanup(func() {
		require.NoError(b, server.Close())
		<-done
	})
	return "https://" + listener.Addr().String() + "/"
}

// asker sends the same request again and again on one connection, and looks at the status of the answer only.
func asker(b *testing.B, s *servicetest.Running, base, method, path, token string, body []byte) func() error {
	b.Helper()
	address, err := url.Parse(base)
	require.NoError(b, err)
	config := s.HTTP.Transport.(*http.Transport).TLSClientConfig.Clone()
	config.NextProtos = []string{"http/1.1"}
	dialer := tls.Dialer{Config: config}
	connection, err := dialer.DialContext(b.Context(), "tcp", address.Host)
	require.NoError(b, err)
	b.Cleanup(func() { _ = connection.Close() })
	request := fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\n", method, path, address.Host)
	if token != "" {
		request = fmt.Appendf(request, "Authorization: Bearer %s\r\n", token)
	}
	if body != nil {
		request = fmt.Appendf(request, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	request = append(append(request, "\r\n"...), body...)
	reader := bufio.NewReaderSize(connection, 16<<10)
	return func() error {
		if _, err := connection.Write(request); err != nil {
			return err
		}
		return readAnswer(reader)
	}
}

// readAnswer reads an answer that must be 200 and says how long it is.
func readAnswer(reader *bufio.Reader) error {
	status, err := reader.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(status, []byte("HTTP/1.1 200 ")) {
		return fmt.Errorf("answered %s", status)
	}
	length := -1
	for {
		line, err := reader.ReadSlice('\n')
		if err != nil {
			return err
		}
		if line = textproto.TrimBytes(line); len(line) == 0 {
			break
		}
		if value, found := bytes.CutPrefix(line, []byte("Content-Length: ")); found {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return err
			}
		}
	}
	if length < 0 {
		return errors.New("an answer without Content-Length")
	}
	_, err = reader.Discard(length)
	return err
}

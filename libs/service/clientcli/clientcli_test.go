package clientcli_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/apiclient"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"
)

// command is a command with streams of its own.
func command(in string) (cmd *cobra.Command, out *bytes.Buffer) {
	cmd, out = &cobra.Command{Use: "do"}, new(bytes.Buffer)
	cmd.SetIn(strings.NewReader(in))
	cmd.SetOut(out)
	return cmd, out
}

func isUsage(err error) bool {
	var coded interface{ ExitCode() int }
	return errors.As(err, &coded) && coded.ExitCode() == 2
}

// never is a world without terminals, always one with nothing else.
func never(any) bool  { return false }
func always(any) bool { return true }

func TestProduce_AFileAppearsWholeAndPrivateOrNotAtAll(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "result")
	cmd, _ := command("")
	write := func(text string, end error) error {
		return clientcli.Terminal(never).Produce(cmd, path, func(to *clientcli.Destination) error {
			_, err := io.WriteString(to, text)
			return errors.Join(err, end)
		})
	}
	require.Error(t, write("half", errors.New("cut")))
	left, err := os.ReadDir(folder)
	require.NoError(t, err)
	assert.Empty(t, left)

	require.NoError(t, write("whole", nil))
	require.Error(t, write("half", errors.New("cut")))
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "whole", string(content), "what was there stays")
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	path = filepath.Join(folder, "absent", "result")
	require.ErrorContains(t, write("x", nil), "does not exist")
	path = folder
	require.ErrorContains(t, write("x", nil), "is a directory")
}

func TestProduce_ATerminalGetsNoControlCharacters(t *testing.T) {
	t.Parallel()
	for text, path := range map[string]string{"\x1b[2J": "", "\xff\xff\xff\xff\xff\xff\xff\xff": ""} {
		cmd, out := command("")
		write := func(to *clientcli.Destination) error { _, err := io.WriteString(to, text); return err }
		require.ErrorIs(t, clientcli.Terminal(always).Produce(cmd, path, write), clientcli.ErrBinary)
		assert.Empty(t, out.String())
		require.NoError(t, clientcli.Terminal(always).Produce(cmd, clientcli.Stdio, write), "it was asked for")
		assert.Equal(t, text, out.String())
	}
}

func TestProduceAll_FilesAppearTogether(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	cmd, out := command("")
	first, second := filepath.Join(folder, "a"), filepath.Join(folder, "b")
	end := errors.New("cut")
	do := func(to []*clientcli.Destination) error {
		for _, d := range to {
			if d != nil {
				_, _ = io.WriteString(d, "x")
			}
		}
		return end
	}
	terminal := clientcli.Terminal(never)
	outputs := []clientcli.Output{{Flag: "out", Path: first}, {Flag: "more-out", Path: second}}
	require.ErrorIs(t, terminal.ProduceAll(cmd, do, outputs...), end)
	assert.NoFileExists(t, first)
	end = nil
	require.NoError(t, terminal.ProduceAll(cmd, do, outputs...))
	assert.FileExists(t, first)
	assert.FileExists(t, second)
	require.NoError(t, terminal.ProduceAll(cmd, do, clientcli.Output{Flag: "out"}, clientcli.Output{Flag: "more-out"}), "the second is not wanted")
	assert.Equal(t, "x", out.String())
	err := terminal.ProduceAll(cmd, do, clientcli.Output{Flag: "out"}, clientcli.Output{Flag: "more-out", Path: clientcli.Stdio})
	require.ErrorContains(t, err, "--out and --more-out cannot both be standard output")
	assert.True(t, isUsage(err))
}

func TestReadWhole_BoundsWhatItReads(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"": "standard input is empty", strings.Repeat("x", 2049): "more than 2 KiB: that is no token"} {
		cmd, _ := command(in)
		_, err := clientcli.ReadWhole(cmd, "", 2048, "token")
		require.ErrorContains(t, err, want)
	}
	cmd, _ := command(strings.Repeat("x", 2048))
	content, err := clientcli.ReadWhole(cmd, clientcli.Stdio, 2048, "token")
	require.NoError(t, err)
	assert.Len(t, content, 2048)
	_, err = clientcli.ReadSmall(cmd, filepath.Join(t.TempDir(), "absent"))
	require.ErrorContains(t, err, "no file")
	_, err = clientcli.ReadSmall(cmd, t.TempDir())
	require.ErrorContains(t, err, "is a directory")
}

func TestReadPublicKey_KeepsPrivateKeysHere(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	require.NoError(t, err)
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	for text, want := range map[string]string{
		block("PRIVATE KEY", private):           "holds a private key, which goes nowhere",
		block("ENCRYPTED PRIVATE KEY", private): "has a password",
		block("X509 CRL", public):               "is no key",
		block("PUBLIC KEY", public) + "more":    "neither a JWK nor one PEM block",
		"hello":                                 "neither a JWK nor one PEM block",
	} {
		cmd, _ := command(text)
		_, err := clientcli.ReadPublicKey(cmd, clientcli.Stdio)
		require.ErrorContains(t, err, want)
	}
	cmd, _ := command(block("PUBLIC KEY", public))
	text, err := clientcli.ReadPublicJWK(cmd, clientcli.Stdio)
	require.NoError(t, err)
	assert.Contains(t, string(text), `"P-256"`)
	assert.NotContains(t, string(text), `"d"`)
	cmd, _ = command(block("PRIVATE KEY", private))
	read, err := clientcli.ReadPrivateKey(cmd, clientcli.Stdio)
	require.NoError(t, err)
	assert.True(t, read.IsPrivate())
}

func TestExplain_SaysWhatToDoAndKeepsTheError(t *testing.T) {
	t.Parallel()
	advice := map[string]string{"not_found": "look at the list", "sealed": "wait for the operator"}
	for err, want := range map[error]string{
		&apiclient.Problem{Code: "not_found"}:                                "; look at the list",
		&apiclient.Problem{Code: "sealed"}:                                   "; wait for the operator",
		&apiclient.Problem{Code: "rate_limited"}:                             "; try again later",
		&apiclient.Problem{Code: "unheard_of"}:                               "",
		&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}: "; the root certificate in the context file is not that of this server",
		fmt.Errorf("dial: %w", syscall.ECONNREFUSED):                         "; nothing listens there",
		fmt.Errorf("call: %w", context.DeadlineExceeded):                     "; the service did not answer in time",
		io.ErrUnexpectedEOF:                                                  "",
	} {
		got := clientcli.Explain(err, advice)
		require.ErrorIs(t, got, err)
		assert.True(t, strings.HasPrefix(got.Error(), err.Error()+want), got.Error())
		assert.Equal(t, want == "", got.Error() == err.Error(), got.Error())
	}
	require.NoError(t, clientcli.Explain(nil, advice))
}

func TestSettings_NameOnlyWhatTheCommandLineNames(t *testing.T) {
	t.Parallel()
	cmd, _ := command("")
	settings := new(clientcli.Settings)
	settings.Text(cmd, "description", "description", "text")
	settings.Choice(cmd, "published", "published", "choice")
	settings.Add(clientcli.Setting{Flag: "published", Object: "policy", Member: "open", Value: func() (any, error) { return nil, nil }}) //nolint:nilnil // null
	patch, err := settings.Patch(cmd)
	require.NoError(t, err)
	assert.Empty(t, patch)
	_, err = settings.Change(cmd)
	require.ErrorContains(t, err, "say what to change")
	assert.True(t, isUsage(err))
	require.NoError(t, cmd.ParseFlags([]string{"--published=false"}))
	patch, err = settings.Change(cmd)
	require.NoError(t, err)
	assert.Equal(t, apiclient.Patch{"published": false, "policy": map[string]any{"open": nil}}, patch)
	spec := struct{ Published *bool }{}
	require.NoError(t, settings.Complete(cmd, &spec))
	assert.False(t, *spec.Published)
}

func TestArguments_AreRefusedWithWhatToWrite(t *testing.T) {
	t.Parallel()
	cmd, _ := command("")
	require.NoError(t, clientcli.OneKey(cmd, []string{"a"}))
	require.NoError(t, clientcli.OneVersion(cmd, []string{"a", "1"}))
	_, noNumber := clientcli.ParseVersion("0")
	_, noDuration := clientcli.Seconds("lifetime", "1.5s")
	for want, err := range map[string]error{
		"name one key, by its name or id: do NAME|ID": clientcli.OneKey(cmd, nil),
		"name one key and one version":                clientcli.OneVersion(cmd, []string{"a"}),
		`"0" is no version`:                           noNumber,
		"write 90d, 12h or 30m":                       noDuration,
		"it must be one of a, b":                      clientcli.OneOf("format", "c", "a", "b"),
		"--limit must be 1 or more":                   clientcli.CheckLimit(-1),
	} {
		require.ErrorContains(t, err, want)
		assert.True(t, isUsage(err), want)
	}
	seconds, err := clientcli.Seconds("lifetime", "2d")
	require.NoError(t, err)
	assert.Equal(t, "2d", clientcli.DaysText(seconds))
	assert.Equal(t, "1m30s", clientcli.DaysText(90))
}

func TestPlace_NamesTheCommandsAsTheirUsersDo(t *testing.T) {
	t.Parallel()
	child := &cobra.Command{Use: "list", Example: "  own-server key list", RunE: func(*cobra.Command, []string) error { return nil }}
	parent := &cobra.Command{Use: "key", Long: "See own-server key list."}
	parent.AddCommand(child)
	clientcli.Place([]*cobra.Command{parent}, "own-server", "suite own")
	assert.Equal(t, []string{"  suite own key list", "See suite own key list."}, []string{child.Example, parent.Long})
	assert.NotNil(t, child.Flags().Lookup("context"))
	assert.Nil(t, parent.Flags().Lookup("context"))

	require.NoError(t, child.Flags().Set("context", filepath.Join(t.TempDir(), "absent.yaml")))
	_, err := clientcli.Everyday(child, "own")
	require.ErrorContains(t, err, "does not exist; name one with --context")
	_, err = clientcli.Administer(child, "own")
	require.ErrorIs(t, err, os.ErrNotExist)
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"
	"github.com/cryptoutil/cryptoutil/services/kms/client"
	"github.com/cryptoutil/cryptoutil/services/kms/client/filesig"
)

// errNotVerified is the negative answer of verify.
var errNotVerified = errors.New("the signature does not verify")

func (c *commands) verify() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify --key NAME|ID --signature FILE",
		Short: "Verify the signature of a file or of standard input",
		Long: `Verify checks what sign made, for the same file. Its exit status is 0 only if the
signature verifies with that key; otherwise one line says why not.`,
		Example: `  kms-server verify --key releases --signature app.tar.jws --in app.tar
  kms-server verify --key releases --format der --digest --signature app.tar.sig --in app.tar`,
		Args: cobra.NoArgs,
	}
	var (
		v         verification
		in        = cmd.Flags().String("in", "", "signed file (default standard input)")
		signature = cmd.Flags().String("signature", "", "file that holds the signature")
	)
	cmd.Flags().StringVar(&v.key, "key", "", "name or id of the key")
	cmd.Flags().Int64Var(&v.version, "version", 0, "version of the key that made a bare signature (default the primary one)")
	v.flags = addSignatureFlags(cmd)
	clientcli.Require(cmd, "key", "signature")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := v.check(); err != nil {
			return err
		}
		if *signature == clientcli.Stdio && (*in == "" || *in == clientcli.Stdio) {
			return cli.Usage("--signature and the signed file cannot both be standard input")
		}
		var err error
		if v.signature, err = readSignature(cmd, *signature); err != nil {
			return err
		}
		content, err := clientcli.OpenSource(cmd, *in)
		if err != nil {
			return err
		}
		defer content.Close()
		shown := c.terminal.Progress(cmd, content, "hashing")
		defer shown.End()

		return c.call(cmd, func(kms *client.KMS) error {
			version, err := v.run(cmd.Context(), kms, shown)
			if err != nil {
				return err
			}
			return cli.WriteLine(cmd.OutOrStdout(), fmt.Sprintf("the signature verifies: key %s, version %d", v.key, version))
		})
	}
	return cmd
}

// readSignature reads a file that is too short to be anything but a signature.
func readSignature(cmd *cobra.Command, path string) ([]byte, error) {
	from, err := clientcli.OpenSource(cmd, path)
	if err != nil {
		return nil, err
	}
	defer from.Close()
	signature, whole, err := clientcli.ReadUpTo(from, maxMessage)
	if err == nil && (!whole || len(signature) == 0) {
		return nil, fmt.Errorf("%q holds no signature", path)
	}
	return signature, err
}

// verification is what checking one signature needs.
type verification struct {
	key       string
	version   int64 // 0 means the primary one
	flags     *signatureFlags
	signature []byte
}

func (v *verification) check() error {
	switch {
	case v.version < 0:
		return cli.Usage("--version must be 1 or more")
	case v.version > 0 && v.flags.isFileSignature():
		return cli.Usage("--version goes with --format der, p1363 or raw: a jws names its version")
	}
	return v.flags.check()
}

// run returns the version that made the signature.
func (v *verification) run(ctx context.Context, kms *client.KMS, content io.Reader) (int64, error) {
	if v.flags.isFileSignature() {
		return v.file(ctx, kms, content)
	}
	return v.bare(ctx, kms, content)
}

// file checks the signature of the statement first, then the file against it.
func (v *verification) file(ctx context.Context, kms *client.KMS, content io.Reader) (int64, error) {
	signature := strings.TrimSpace(string(v.signature))
	if strings.Count(signature, ".") != 2 {
		return 0, fmt.Errorf("%w: it is no compact JWS; a bare signature needs --format", errNotVerified)
	}
	verdict, err := kms.Verify(ctx, v.key, client.VerifyRequest{Signature: signature, Typ: new(filesig.Type)})
	if err != nil {
		return 0, err
	}
	if !verdict.Valid {
		return 0, fmt.Errorf("%w with key %q", errNotVerified, v.key)
	}
	signed, err := signedStatement(verdict)
	if err != nil {
		return 0, err
	}
	found, err := filesig.Of(ctx, content)
	if err != nil {
		return 0, err
	}
	if err := signed.Compare(found); err != nil {
		return 0, fmt.Errorf("%w: %w", errNotVerified, err)
	}
	return versionOf(verdict), nil
}

// signedStatement reads the payload as the service verified it, not as the file
// presents it.
func signedStatement(verdict *client.VerifyResponse) (filesig.Statement, error) {
	if verdict.Payload == nil {
		return filesig.Statement{}, errors.New("the service answered no payload to compare the file with")
	}
	payload, err := client.DecodeBytes(*verdict.Payload)
	if err != nil {
		return filesig.Statement{}, fmt.Errorf("payload in the answer: %w", err)
	}
	statement, err := filesig.Parse(payload)
	if err != nil {
		return filesig.Statement{}, fmt.Errorf("%w: it is not of a file: %w", errNotVerified, err)
	}
	return statement, nil
}

// bare checks a signature without wrapping.
func (v *verification) bare(ctx context.Context, kms *client.KMS, content io.Reader) (int64, error) {
	payload, input, err := v.flags.payload(ctx, kms, v.key, content)
	if err != nil {
		return 0, err
	}
	request := client.VerifyRequest{
		Signature: client.EncodeBytes(v.signature),
		Payload:   new(client.EncodeBytes(payload)),
		Input:     &input,
		Format:    new(client.SignatureFormat(*v.flags.format)),
	}
	if v.version > 0 {
		request.Version = &v.version
	}
	verdict, err := kms.Verify(ctx, v.key, request)
	if err != nil {
		return 0, err
	}
	if !verdict.Valid {
		return 0, fmt.Errorf("%w with key %q", errNotVerified, v.key)
	}
	return versionOf(verdict), nil
}

func versionOf(verdict *client.VerifyResponse) int64 {
	if verdict.Version == nil {
		return 0
	}
	return *verdict.Version
}

package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/crypto/auditchain"
	"github.com/cryptoutil/cryptoutil/libs/crypto/jwk"
)

// AuditKeysSuffix makes the name of an audit export that of the file with the keys that verify it.
const AuditKeysSuffix = ".keys.json"

// maxKeyFile bounds a file of public keys in bytes.
const maxKeyFile = 1 << 20

// Audit is the command that works on audit exports; it needs no service and no secret. It stands below path ("kms-server", "cryptoutil").
func Audit(path string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Check audit exports",
	}
	cmd.AddCommand(auditVerify(path + " audit"))

	return cmd
}

// auditVerdict is the result of audit verify.
type auditVerdict struct {
	Intact bool `json:"intact"`
	auditchain.Result
	Break *auditchain.BreakError `json:"break,omitempty"`
}

func auditVerify(path string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify EXPORT",
		Short: "Check offline that an audit export is what was recorded",
		Long: `Verify reads an audit export, as the service wrote it, and checks every event, every link and
every checkpoint with the service's public checkpoint key. It names the first break: what was
altered, removed, moved, put in or cut off. EXPORT may be - for standard input.

Without --key the keys are those that audit export wrote beside the file, EXPORT.keys.json. Whoever
could change the one could change the other: for proof, name a copy kept elsewhere with --key.

An export cannot show by itself that its end is missing, or that its last events were written
anew. Checkpoints from elsewhere do: --checkpoint takes the service's log, or any other file
that holds checkpoints, and may be given several times.

Exits with 0 if the export is intact, and with 1 if it is not.`,
		Example: fmt.Sprintf(`  %[1]s verify acme.jsonl
  %[1]s verify acme.jsonl --key checkpoint-keys.json
  %[1]s verify acme.jsonl --key checkpoint-keys.json --checkpoint /var/log/kms.log`, path),
		Args: cobra.ExactArgs(1),
	}
	format := AddOutputFlag(cmd)
	keyFile := cmd.Flags().String("key", "", "file with the service's public checkpoint keys: a JWK Set, a JWK or PEM (default EXPORT.keys.json)")
	checkpoints := cmd.Flags().StringArray("checkpoint", nil, "file with checkpoints from elsewhere, such as the service's log")
	partial := cmd.Flags().Bool("partial", false, "the export is a part of the chain")
	_ = errors.Join(cmd.MarkFlagFilename("key"), cmd.MarkFlagFilename("checkpoint")) // as in AddOutputFlag
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		keys := *keyFile
		if keys == "" {
			if args[0] == "-" {
				return Usage("name the checkpoint keys with --key FILE")
			}
			keys = args[0] + AuditKeysSuffix
		}
		export, err := openInput(cmd, args[0])
		if err != nil {
			return fmt.Errorf("read export: %w", err)
		}
		defer func() { _ = export.Close() }() // only read
		opts, err := auditOptions(keys, *checkpoints)
		if err != nil {
			return err
		}
		opts.Partial = *partial

		verdict := auditVerdict{Intact: true}
		verdict.Result, err = auditchain.Verify(export, opts)
		if err != nil && !errors.As(err, &verdict.Break) {
			return err
		}
		verdict.Intact = err == nil
		if err := format.Write(cmd.OutOrStdout(), verdict, verdict.rows()); err != nil {
			return err
		}
		if !verdict.Intact {
			return ErrNegative
		}

		return nil
	}

	return cmd
}

func auditOptions(keyFile string, checkpoints []string) (auditchain.Options, error) {
	text, err := readBounded(keyFile, maxKeyFile)
	if err != nil {
		return auditchain.Options{}, fmt.Errorf("read checkpoint keys: %w; name them with --key FILE", err)
	}
	keys, err := auditchain.ParseKeys(text)
	if err != nil {
		return auditchain.Options{}, err
	}
	opts := auditchain.Options{Keys: keys}
	for _, name := range checkpoints {
		found, err := checkpointsIn(name, keys)
		if err != nil {
			return auditchain.Options{}, err
		}
		opts.Trusted = append(opts.Trusted, found...)
	}

	return opts, nil
}

// checkpointsIn refuses a file without checkpoints: it would prove nothing, unnoticed.
func checkpointsIn(name string, keys []*jwk.Key) ([]auditchain.Checkpoint, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read checkpoints: %w", err)
	}
	defer func() { _ = file.Close() }() // only read
	found, err := auditchain.FindCheckpoints(file, keys)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("read checkpoints: %s holds none that the given keys have signed", name)
	}

	return found, nil
}

func readBounded(name string, size int64) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // only read

	return io.ReadAll(io.LimitReader(file, size))
}

// openInput opens a file, or standard input for "-".
func openInput(cmd *cobra.Command, name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(cmd.InOrStdin()), nil
	}

	return os.Open(name)
}

func (v auditVerdict) rows() [][]string {
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	rows := [][]string{
		{"Intact", strconv.FormatBool(v.Intact)},
		{"Service", v.Service},
		{"Chain", v.Chain},
		{"Events", fmt.Sprintf("%d to %d", v.First, v.Last)},
		{"Signed", "up to " + number(v.Signed)},
		{"Checkpoints", number(v.Checkpoints)},
	}
	if v.Break == nil {
		if v.Signed < v.Last {
			rows = append(rows, []string{"Note", "no checkpoint vouches for events " + number(v.Signed+1) + " to " + number(v.Last)})
		}

		return rows
	}
	rows[0][1] = "NO"
	place := "at the end"
	if v.Break.Line > 0 {
		place = "line " + number(v.Break.Line)
	}

	return append(rows,
		[]string{"Break", strings.ToUpper(string(v.Break.Kind)[:1]) + string(v.Break.Kind)[1:] + ", event " + number(v.Break.Seq) + ", " + place},
		[]string{"", v.Break.Text})
}

package cli

import (
	"encoding/json"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/server/cli"
	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"
)

// The operations that a quorum approves and that have parameters of their own.
const (
	approveDestroy = "destroyMaterialKey"
	approveExport  = "exportElasticKey"
	approveBackup  = "backupElasticKey"
)

// approvalSubject is what the flags of a request for approval say that the operation is about.
type approvalSubject struct {
	version    int64
	recipients []string // files with public keys
}

// parameters are those of the operation, as its documentation says.
func (s approvalSubject) parameters(cmd *cobra.Command, operation string) (json.RawMessage, error) {
	if s.version < 0 {
		return nil, cli.Usage("--version must be 1 or more")
	}
	thumbprints := []string{}
	for _, file := range s.recipients {
		key, err := clientcli.ReadPublicKey(cmd, file)
		if err != nil {
			return nil, err
		}
		thumbprints = append(thumbprints, key.ThumbprintSHA256())
	}
	switch {
	case operation == approveDestroy && s.version > 0 && len(thumbprints) == 0:
		return json.Marshal(map[string]string{"version": strconv.FormatInt(s.version, 10)})
	case operation == approveExport && s.version > 0 && len(thumbprints) == 1:
		return json.Marshal(map[string]any{"version": s.version, "recipient": thumbprints[0]})
	case operation == approveBackup && s.version == 0 && len(thumbprints) > 0:
		return json.Marshal(map[string]any{"recipients": thumbprints})
	}
	return nil, cli.Usage("%s takes no such --version and --recipient: --help says what the operations are about", operation)
}

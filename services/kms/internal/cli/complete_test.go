package cli_test

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/services/kms/client"
	"github.com/cryptoutil/cryptoutil/services/kms/internal/cli"
)

// done is how an operation of the document is done: by a method of the client and a command.
var done = map[string]struct{ method, command string }{
	"createElasticKey":               {"CreateKey", "key create"},
	"listElasticKeys":                {"ListKeys", "key list"},
	"getElasticKey":                  {"GetKey", "key get"},
	"updateElasticKey":               {"UpdateKey", "key update"},
	"rotateElasticKey":               {"RotateKey", "key rotate"},
	"retryElasticKeyGeneration":      {"RetryGeneration", "key retry-generation"},
	"enableElasticKey":               {"EnableKey", "key enable"},
	"disableElasticKey":              {"DisableKey", "key disable"},
	"scheduleElasticKeyDeletion":     {"ScheduleDeletion", "key delete"},
	"cancelElasticKeyDeletion":       {"CancelDeletion", "key cancel-deletion"},
	"deleteElasticKey":               {"DeleteNow", "key delete"},
	"getPublicKey":                   {"PublicKey", "key public"},
	"exportElasticKey":               {"Export", "key export"},
	"listMaterialKeys":               {"ListVersions", "key version list"},
	"createMaterialKey":              {"CreateVersion", "key version create"},
	"getMaterialKey":                 {"GetVersion", "key version get"},
	"enableMaterialKey":              {"EnableVersion", "key version enable"},
	"disableMaterialKey":             {"DisableVersion", "key version disable"},
	"setPrimaryMaterialKey":          {"SetPrimary", "key version set-primary"},
	"compromiseMaterialKey":          {"MarkCompromised", "key version mark-compromised"},
	"scheduleMaterialKeyDestruction": {"ScheduleDestruction", "key version destroy"},
	"restoreMaterialKey":             {"RestoreVersion", "key version restore"},
	"destroyMaterialKey":             {"DestroyNow", "key version destroy"},
	"listAllMaterialKeys":            {"AllVersions", "key version list"},
	"createAlias":                    {"CreateAlias", "key alias put"},
	"listAliases":                    {"ListAliases", "key alias list"},
	"getAlias":                       {"GetAlias", "key alias get"},
	"updateAlias":                    {"MoveAlias", "key alias put"},
	"deleteAlias":                    {"DeleteAlias", "key alias delete"},
	"createKeyGrant":                 {"CreateGrant", "key grant create"},
	"listKeyGrants":                  {"ListGrants", "key grant list"},
	"getKeyGrant":                    {"GetGrant", "key grant get"},
	"revokeKeyGrant":                 {"RevokeGrant", "key grant revoke"},
	"retireKeyGrant":                 {"RetireGrant", "key grant retire"},
	"encrypt":                        {"Encrypt", "encrypt"},
	"decrypt":                        {"Decrypt", "decrypt"},
	"reencrypt":                      {"Reencrypt", "reencrypt"},
	"sign":                           {"Sign", "sign"},
	"verify":                         {"Verify", "verify"},
	"mac":                            {"Mac", "mac"},
	"verifyMac":                      {"VerifyMac", "verify-mac"},
	"generateDataKey":                {"GenerateDataKey", "generate-data-key"},
	"wrap":                           {"Wrap", "wrap"},
	"unwrap":                         {"Unwrap", "unwrap"},
	"generate":                       {"Generate", "generate"},
	"derive":                         {"Derive", "derive"},
	"encapsulate":                    {"Encapsulate", "encapsulate"},
	"decapsulate":                    {"Decapsulate", "decapsulate"},
	"generateRandom":                 {"GenerateRandom", "generate-random"},
	"createImportJob":                {"CreateImportJob", "import start"},
	"listImportJobs":                 {"ListImportJobs", "import jobs"},
	"getImportJob":                   {"GetImportJob", "import job"},
	"importKey":                      {"Import", "import finish"},
	"attestKey":                      {"Attest", "attestation get"},
	"getAttestationKeys":             {"AttestationKeys", "attestation keys"},
	"getKeySet":                      {"KeySet", "jwks"},
	"reportAlgorithms":               {"ReportAlgorithms", "report algorithms"},
	"backupElasticKey":               {"BackupKey", "backup key"},
	"createBackup":                   {"BackupTenant", "backup tenant"},
	"createRestoreRecipient":         {"CreateRestoreRecipient", "backup restore"},
	"restoreBackup":                  {"RestoreSealed", "backup restore"},
}

// Every operation of the document can be done by the client and on the command line, and every batch by both.
func TestCommands_DoEveryOperationOfTheDocument(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../api/openapi.yaml")
	require.NoError(t, err)
	root := &cobra.Command{Use: "kms"}
	root.AddCommand(cli.Commands(nil, nil)...)
	batches := map[string]bool{}
	for _, operation := range client.Operations() {
		batches[string(operation)] = true
	}
	library := reflect.TypeFor[*client.KMS]()
	found := regexp.MustCompile(`(?m)^  /(\S+):|operationId: (\S+)`).FindAllSubmatch(text, -1)
	path, count := "", 0
	for _, match := range found {
		if len(match[1]) > 0 {
			path = string(match[1])
			continue
		}
		operation := string(match[2])
		count++
		if name, isBatch := strings.CutSuffix(operation, "Batch"); isBatch {
			verb := strings.TrimSuffix(path[strings.LastIndexByte(path, '/')+1:], "-batch")
			assert.True(t, batches[verb], "batch %s", verb)
			delete(batches, verb)
			_, has := library.MethodByName(strings.ToUpper(name[:1]) + name[1:] + "Batch")
			assert.True(t, has, "the client has no method for %s", operation)
			continue
		}
		by, known := done[operation]
		if !assert.True(t, known, "nothing does %s", operation) {
			continue
		}
		_, has := library.MethodByName(by.method)
		assert.True(t, has, "the client has no method %s for %s", by.method, operation)
		command, rest, err := root.Find(strings.Fields(by.command))
		require.NoError(t, err, operation)
		assert.True(t, len(rest) == 0 && command.RunE != nil, "there is no command %q for %s", by.command, operation)
	}
	assert.Empty(t, batches, "batches that the document does not have")
	assert.Greater(t, count, 60)
}

// Every command says what it does and shows how.
func TestCommands_HaveHelpWithExamples(t *testing.T) {
	t.Parallel()
	var walk func(*cobra.Command)
	walk = func(command *cobra.Command) {
		assert.NotEmpty(t, command.Short, command.CommandPath())
		if command.RunE != nil {
			assert.Contains(t, command.Example, "kms-server "+strings.TrimPrefix(command.CommandPath(), "kms "), command.CommandPath())
		}
		for line := range strings.Lines(command.Long + "\n" + command.Example) {
			assert.LessOrEqual(t, len([]rune(strings.TrimRight(line, "\n"))), 96, "%s: %s", command.CommandPath(), line)
		}
		for _, child := range command.Commands() {
			walk(child)
		}
	}
	for _, command := range cli.Commands(nil, nil) {
		parent := &cobra.Command{Use: "kms"}
		parent.AddCommand(command)
		walk(command)
	}
}

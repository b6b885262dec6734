package cli

import (
	"strconv"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"

	"github.com/cryptoutil/cryptoutil/services/jose/client"
)

// keyRows is a key as a table.
func keyRows(key client.Key) [][]string {
	rows := [][]string{
		{"ID", key.ID},
		{"Name", key.Name},
		{"Description", key.Description},
		{"Algorithm", algorithmText(key)},
		{"Use", string(key.Use)},
		{"Status", string(key.Status)},
		{"Published", strconv.FormatBool(key.Published)},
		{"Exportable", strconv.FormatBool(key.Exportable)},
		{"Token lifetime", clientcli.DaysText(key.TokenLifetimeSeconds)},
		{"Versions", clientcli.Decimal(key.VersionCount)},
		{"Created", key.CreatedAt},
		{"Updated", key.UpdatedAt},
	}
	if key.KmsKey != nil {
		rows = append(rows, []string{"Key in the KMS", *key.KmsKey})
	}
	return rows
}

// algorithmText is the algorithm with the size or curve that completes it; that of a signature has its curve in its name.
func algorithmText(key client.Key) string {
	switch {
	case key.KeySize != nil:
		return key.Algorithm + " " + strconv.Itoa(*key.KeySize)
	case key.Curve != nil && key.Use == client.KeyUseEncrypt:
		return key.Algorithm + " " + *key.Curve
	default:
		return key.Algorithm
	}
}

// trimmed is a text without the line feeds at its end.
func trimmed(text string) string { return strings.TrimRight(text, "\n") }

package cli

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"
	"github.com/cryptoutil/cryptoutil/services/kms/client"
)

// keyRows is a key as a table. What says nothing of it is left out.
func keyRows(key client.ElasticKey) [][]string {
	rows := [][]string{
		{"ID", key.ID},
		{"Name", key.Name},
		{"Description", key.Description},
		{"Algorithm", algorithmText(key)},
		{"Use", string(key.Use)},
		{"Status", string(key.Status)},
		{"Primary version", clientcli.Decimal(key.PrimaryVersion)},
		{"Versions", clientcli.Decimal(key.VersionCount)},
		{"Created", key.CreatedAt},
		{"Updated", key.UpdatedAt},
	}
	for _, row := range [][]string{
		{"Tags", pairsText(key.Tags)},
		{"Properties", strings.Join(properties(key), ", ")},
		{"Decrypts from", versionText(key.MinDecryptVersion)},
		{"Encrypts from", versionText(key.MinEncryptVersion)},
		{"Operations", listText(key.Policy.Operations)},
		{"Clients", listText(key.Policy.Clients)},
		{"Roles", listText(key.Policy.Roles)},
		{"Quorum", quorumText(key.Policy.Quorum)},
		{"Rotation", rotationText(key.Rotation)},
		{"Next rotation", clientcli.TextOf(key.NextRotationAt)},
		{"Deleted at", clientcli.TextOf(key.DeleteAt)},
		{"Refused uses", refusedText(key.RefusedUses)},
	} {
		if row[1] != "" {
			rows = append(rows, row)
		}
	}
	return rows
}

// algorithmText is the algorithm with the size or curve that completes it.
func algorithmText(key client.ElasticKey) string {
	switch {
	case key.KeySize != nil:
		return key.Algorithm + " " + strconv.Itoa(*key.KeySize)
	case key.Curve != nil:
		return key.Algorithm + " " + *key.Curve
	default:
		return key.Algorithm
	}
}

// properties are what is not as it is by default.
func properties(key client.ElasticKey) (list []string) {
	if key.Origin == client.KeyOriginImported {
		list = append(list, "imported")
	}
	if key.Exportable {
		list = append(list, "exportable")
	}
	if key.Published {
		list = append(list, "published")
	}
	if !key.VersioningAllowed {
		list = append(list, "no further versions")
	}
	if !key.ImportAllowed {
		list = append(list, "no import")
	}
	return list
}

func pairsText(pairs map[string]string) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(pairs)) {
		list = append(list, name+"="+pairs[name])
	}
	return strings.Join(list, " ")
}

// versionText is a lowest version; 0 is none.
func versionText(version int64) string {
	if version == 0 {
		return ""
	}
	return "version " + clientcli.Decimal(version)
}

func listText(list *[]string) string {
	if list == nil {
		return ""
	}
	return strings.Join(*list, " ")
}

func quorumText(quorum *client.Quorum) string {
	if quorum == nil {
		return ""
	}
	return strconv.Itoa(quorum.Approvals) + " of " + strings.Join(quorum.Approvers, " ")
}

func rotationText(r client.Rotation) string {
	var list []string
	for _, part := range []struct {
		word, unit string
		n          *int64
	}{
		{"every", "s", r.EverySeconds}, {"after", " uses", r.Uses}, {"after", " bytes", r.Bytes}, {"announced before", "s", r.NotifyBeforeSeconds},
	} {
		switch {
		case part.n == nil:
		case part.unit == "s":
			list = append(list, part.word+" "+clientcli.DaysText(*part.n))
		default:
			list = append(list, part.word+" "+clientcli.Decimal(*part.n)+part.unit)
		}
	}
	return strings.Join(list, ", ")
}

func refusedText(refused *client.RefusedUses) string {
	switch {
	case refused == nil:
		return ""
	case refused.LastRefusedAt == nil:
		return clientcli.Decimal(refused.Count)
	default:
		return clientcli.Decimal(refused.Count) + ", last " + *refused.LastRefusedAt
	}
}

package httpapi

import (
	"context"

	"github.com/cryptoutil/cryptoutil/libs/server/apivalue"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// ReportAlgorithms implements GET /reports/algorithms.
func (h *Operations) ReportAlgorithms(ctx context.Context, _ ReportAlgorithmsRequestObject) (ReportAlgorithmsResponseObject, error) {
	who, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	uses, at, err := h.keys.Algorithms(ctx, who)
	if err != nil {
		return nil, err
	}
	report := ReportAlgorithms200JSONResponse{GeneratedAt: apivalue.Timestamp(at), Items: make([]AlgorithmUse, len(uses))}
	for i, use := range uses {
		report.Items[i] = algorithmUse(use)
	}
	return report, nil
}

func algorithmUse(use keyring.AlgorithmUse) AlgorithmUse {
	item := AlgorithmUse{
		Algorithm: use.Algorithm, KeySize: apivalue.Optional(use.KeySize), Curve: apivalue.Optional(use.Curve), Keys: use.Keys,
		Versions: VersionCounts{
			PendingImport:    use.Versions[keyring.VersionPendingImport],
			Enabled:          use.Versions[keyring.VersionEnabled],
			Disabled:         use.Versions[keyring.VersionDisabled],
			Compromised:      use.Versions[keyring.VersionCompromised],
			DestroyScheduled: use.Versions[keyring.VersionDestroyScheduled],
			Destroyed:        use.Versions[keyring.VersionDestroyed],
		},
		OldVersionsReading: use.StillReading, UseCount: use.Uses.Count, ByteCount: use.Uses.Bytes,
	}
	if !use.Uses.LastUsedAt.IsZero() {
		item.LastUsedAt = apivalue.Optional(apivalue.Timestamp(use.Uses.LastUsedAt))
	}
	return item
}

package audit

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/cryptoutil/cryptoutil/libs/crypto/barrier"
	"github.com/cryptoutil/cryptoutil/libs/database"
)

// takeOverSize is how many bytes of the journal go into one transaction.
const takeOverSize = 256 << 10

// toJournal puts a batch on disk. Personal data are hashed first if the keys are in memory, and by the take-over otherwise.
func (l *Log) toJournal(b batch) error {
	l.keys.ifReady(func(k *openKeys) {
		for _, r := range b.records {
			k.concealAll(r)
		}
	})
	line, err := encode(b)
	if err == nil {
		err = l.journal.Append(line)
	}
	if err != nil {
		return &Error{code: "state_unavailable", text: fmt.Sprintf("record audit event: %v", err)}
	}
	return nil
}

// takeOver moves what the journal holds into the database.
func (l *Log) takeOver(ctx context.Context) error {
	id, lines := l.journal.State()
	if lines == 0 {
		return nil
	}
	if l.keys.forgetIfSealed() {
		return barrier.ErrSealed
	}
	source := "j:" + id
	var taken int64
	err := l.cfg.DB.QueryRow(ctx, "SELECT coalesce(max(position), 0) FROM audit_sources WHERE id = $1", source).Scan(&taken)
	if err != nil {
		return fmt.Errorf("take over audit journal: %w", err)
	}
	began := taken
	for taken < lines {
		chunk, err := l.journal.Lines(taken, takeOverSize)
		if err != nil {
			return fmt.Errorf("take over audit journal: %w", err)
		}
		to := taken + int64(len(chunk))
		if err := l.takeLines(ctx, source, to, chunk); err != nil {
			return fmt.Errorf("take over audit journal: %w", err)
		}
		taken = to
	}
	if err := l.journal.Clear(id, lines); err != nil {
		return fmt.Errorf("take over audit journal: %w", err)
	}
	l.cfg.Log.Info("audit journal taken over", "lines", lines-began)
	return nil
}

// takeLines stores lines up to number to, in one transaction with the note that they are.
func (l *Log) takeLines(ctx context.Context, source string, to int64, lines [][]byte) error {
	batches := make([]batch, len(lines))
	rows := make([][]pendingRow, len(lines))
	for i, line := range lines {
		if err := json.Unmarshal(line, &batches[i]); err != nil {
			r, err := l.damagedLine(to-int64(len(lines)-i-1), line, err)
			if err != nil {
				return err
			}
			batches[i] = batch{records: []*record{r}}
		}
		var err error
		if rows[i], err = l.finish(ctx, batches[i].records); err != nil {
			return err
		}
	}
	return l.cfg.DB.InTx(database.WithTenant(ctx, database.AllTenants), func(ctx context.Context) error {
		fresh, err := l.mark(ctx, source, to)
		if err != nil || !fresh {
			return err
		}
		for i, b := range batches {
			if b.Source != "" {
				if fresh, err = l.mark(ctx, b.Source, b.Position); err != nil {
					return err
				}
				if !fresh {
					continue
				}
			}
			if err := l.insertRows(ctx, rows[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// damagedLine is an event that tells of a line that cannot be read.
func (l *Log) damagedLine(number int64, line []byte, cause error) (*record, error) {
	l.cfg.Log.Error("audit journal is damaged", "line", number, "error", cause)
	digest := sha256.Sum256(line)
	return newRecord(Event{
		Tenant: System, Actor: Actor{Kind: "service", ID: l.cfg.Service}, Action: "audit.journal_damaged", Outcome: Failed,
		Fields: []Field{Number("line", number), Text("sha256", base64.RawURLEncoding.EncodeToString(digest[:]))},
	}, l.cfg.Now())
}

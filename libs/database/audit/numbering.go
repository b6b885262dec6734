package audit

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/cryptoutil/cryptoutil/libs/crypto/auditchain"
	"github.com/cryptoutil/cryptoutil/libs/database"
)

// numbering gives events their numbers within one transaction.
type numbering struct {
	log *Log
	k   *openKeys

	heads   map[string]*head
	tenants []string // of heads, in the order of their first event
	events  []numbered
	signed  []signedCheckpoint
	// alarms are errors for the log. They wait for the commit: what looks like damage to a process that meets another one at work is
	// rolled back.
	alarms  []func(*slog.Logger)
	written bool
}

type numbered struct {
	r     *record
	entry auditchain.Entry
}

type signedCheckpoint struct {
	auditchain.Checkpoint
	jws string
}

func (l *Log) numbering(k *openKeys) *numbering {
	return &numbering{log: l, k: k, heads: map[string]*head{}}
}

// head is the end of a chain, including what was added. A chain that was tampered with gets an event that says so, and the log an error.
func (n *numbering) head(ctx context.Context, tenant string) (*head, error) {
	if h, ok := n.heads[tenant]; ok {
		return h, nil
	}
	h, reason, foreign, err := n.log.end(ctx, n.k, tenant)
	if err != nil {
		return nil, err
	}
	n.heads[tenant] = &h
	n.tenants = append(n.tenants, tenant)
	if reason == "" {
		return &h, nil
	}
	seq := h.seq
	n.alarms = append(n.alarms, func(log *slog.Logger) {
		log.Error("audit chain is damaged", "chain", tenant, "seq", seq, "reason", reason, "foreign", foreign)
	})
	fields := []Field{Text("reason", reason)}
	if foreign > 0 {
		fields = append(fields, Number("foreign", foreign))
	}
	return &h, n.own(ctx, Event{Tenant: tenant, Action: "audit.chain_damaged", Outcome: Failed, Fields: fields})
}

// own adds an event of the audit log itself.
func (n *numbering) own(ctx context.Context, e Event) error {
	e.Actor = Actor{Kind: "service", ID: n.log.cfg.Service}
	r, err := newRecord(e, n.log.cfg.Now())
	if err != nil {
		return err
	}
	body, err := encode(r)
	if err != nil {
		return err
	}
	return n.add(ctx, r, body)
}

// add gives an event the next number of its chain.
func (n *numbering) add(ctx context.Context, r *record, body []byte) error {
	h, err := n.head(ctx, r.Tenant)
	if err != nil {
		return err
	}
	if h.seq == h.signed {
		h.openSince = database.Micros(n.log.cfg.Now())
	}
	e := auditchain.Entry{Seq: h.seq + 1, Prev: h.hash, Event: body}
	e.Hash = auditchain.Link(h.tenant, e.Seq, e.Prev, body)
	h.seq, h.hash = e.Seq, e.Hash
	n.events = append(n.events, numbered{r, e})
	if h.seq-h.signed >= auditchain.MaxUnsigned {
		return n.sign(h)
	}
	return nil
}

// sign makes a checkpoint of a chain's end.
func (n *numbering) sign(h *head) error {
	c, err := n.log.checkpoint(n.k, *h)
	if err != nil {
		return err
	}
	h.signed = h.seq
	n.signed = append(n.signed, c)
	return nil
}

func (l *Log) checkpoint(k *openKeys, h head) (signedCheckpoint, error) {
	c := auditchain.Checkpoint{Service: l.cfg.Service, Chain: h.tenant, Seq: h.seq, Hash: h.hash, First: h.cut + 1, Time: l.cfg.Now()}
	jws, err := c.Sign(k.sign)
	return signedCheckpoint{c, jws}, err
}

// write puts everything into the database.
func (n *numbering) write(ctx context.Context) error {
	// Two processes that write at once, which only a lost lease makes possible, take the rows in the same order.
	slices.Sort(n.tenants)
	n.written = true
	for _, tenant := range n.tenants {
		h, err := n.log.saveHead(ctx, n.k, *n.heads[tenant])
		if err != nil {
			return err
		}
		*n.heads[tenant] = h
	}
	if err := n.writeEvents(ctx); err != nil {
		return err
	}
	for _, c := range n.signed {
		_, err := n.log.cfg.DB.Exec(ctx, `INSERT INTO audit_checkpoints (tenant_id, seq, at, jws) VALUES ($1, $2, $3, $4)
			ON CONFLICT (tenant_id, seq) DO UPDATE SET at = excluded.at, jws = excluded.jws`, c.Chain, c.Seq, database.Micros(c.Time), c.jws)
		if err != nil {
			return fmt.Errorf("write audit checkpoint: %w", err)
		}
	}
	return nil
}

func (n *numbering) writeEvents(ctx context.Context) error {
	return inChunks(len(n.events), func(from, to int) error {
		const columns = 13
		args := make([]any, 0, columns*(to-from))
		for _, e := range n.events[from:to] {
			c := e.r.columns()
			args = append(args, e.r.Tenant, e.entry.Seq, e.r.ID, e.r.at(), c[0], c[1], c[2], c[3], c[4],
				string(e.entry.Event), e.entry.Prev[:], e.entry.Hash[:], n.k.sum(labelLink, e.entry.Hash[:]))
		}
		_, err := n.log.cfg.DB.Exec(ctx, `INSERT INTO audit_events
			(tenant_id, seq, id, at, action, outcome, actor_id, object_kind, object_id, body, prev, hash, mac) VALUES `+tuples(to-from, columns), args...)
		if err != nil {
			return fmt.Errorf("write audit events: %w", err)
		}
		return nil
	})
}

// committed takes over what was written, if anything was, once it is committed.
func (n *numbering) committed() {
	if !n.written {
		return
	}
	for _, h := range n.heads {
		n.log.chains.put(*h)
	}
	for _, a := range n.alarms {
		a(n.log.cfg.Log)
	}
	for _, c := range n.signed {
		n.log.announce(c)
	}
}

// announce writes a checkpoint to the log: there it is out of reach of who can write to the database.
func (l *Log) announce(c signedCheckpoint) {
	l.cfg.Log.Info("audit checkpoint", "chain", c.Chain, "seq", c.Seq, "checkpoint", c.jws)
}

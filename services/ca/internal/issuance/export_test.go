package issuance

import "context"

// Group is a group of texts, for tests.
type Group struct{ group *group[string] }

// NewGroup makes a Group.
func NewGroup(write func(ctx context.Context, tenant string, items []string) error) Group {
	return Group{newGroup(write)}
}

// Do stores one text.
func (g Group) Do(ctx context.Context, tenant, item string) error {
	return g.group.do(ctx, tenant, item)
}

// Idle tells that nobody waits or leads.
func (g Group) Idle() bool {
	g.group.mu.Lock()
	defer g.group.mu.Unlock()
	return len(g.group.queues) == 0
}

// Waiting is how many of a tenant wait for the next transaction.
func (g Group) Waiting(tenant string) int {
	g.group.mu.Lock()
	defer g.group.mu.Unlock()
	if q := g.group.queues[tenant]; q != nil {
		return len(q.waiting)
	}
	return 0
}

// MaxGroup bounds how many share a transaction.
const MaxGroup = maxGroup

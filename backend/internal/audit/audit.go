// Package audit shows the audit trail: to admins that of their tenant, to
// operators those of all tenants, wherever their data is. Package trail writes
// it.
package audit

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"gatehouse/backend/internal/controldb"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/placement"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/web"
	"gatehouse/internal/problem"
	"gatehouse/internal/token"
)

// Service reads the audit trail.
type Service struct {
	Directory *placement.Directory
	// Maint reaches the main database over all tenants.
	Maint *pg.DB
	// TenantHash is what stands for a tenant in logs.
	TenantHash func(tenant string) string
	Log        *slog.Logger

	queries tenantdb.Queries
	control controldb.Queries
}

// Entry is a line of the trail as clients see it.
type Entry struct {
	ID        uuid.UUID         `json:"id"`
	TenantID  string            `json:"tenant_id"`
	Action    string            `json:"action"`
	ActorID   *uuid.UUID        `json:"actor_id"`
	Actor     *string           `json:"actor"`
	Target    *string           `json:"target"`
	IP        string            `json:"ip"`
	RequestID string            `json:"request_id"`
	Details   map[string]string `json:"details"`
	CreatedAt web.Time          `json:"created_at"`
}

func view(e tenantdb.AuditEntry) Entry {
	v := Entry{
		ID: e.ID, TenantID: e.TenantID, Action: e.Action, ActorID: e.ActorID, Actor: e.Actor, Target: e.Target,
		IP: e.IP, RequestID: e.RequestID, Details: map[string]string{}, CreatedAt: web.Time{Time: e.CreatedAt},
	}
	// Package trail writes text only. What else the owner of a dedicated database
	// may have put there is not shown.
	if err := json.Unmarshal(e.Details, &v.Details); err != nil {
		v.Details = map[string]string{}
	}
	return v
}

// Page is what to read of a trail: up to Limit lines after a position.
type Page struct {
	Action   *string
	ActorID  *uuid.UUID
	From     time.Time // inclusive
	Before   time.Time // exclusive
	Position position
	Desc     bool
	Limit    int32
}

// position is where a page ends. Ids are unique over all tenants.
type position struct {
	Created time.Time `json:"c"`
	ID      uuid.UUID `json:"i"`
}

func positionOf(e tenantdb.AuditEntry) any { return position{e.CreatedAt, e.ID} }

// Moments before and after every line.
var (
	earliest = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	latest   = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
)

// start is the position before the first line of a list.
func start(desc bool) position {
	if desc {
		return position{latest, uuid.Max}
	}
	return position{earliest, uuid.Nil}
}

// older orders lines from the oldest.
func older(a, b tenantdb.AuditEntry) int {
	if c := a.CreatedAt.Compare(b.CreatedAt); c != 0 {
		return c
	}
	return slices.Compare(a.ID[:], b.ID[:]) // as PostgreSQL compares them
}

// ListAll reads a page over the trails of all tenants, or that of one, on behalf
// of an operator. Dedicated databases that do not answer in time are left out of
// the list of all, and their tenants named.
func (s *Service) ListAll(ctx context.Context, c token.Claims, tenant *string, p Page) (rows []tenantdb.AuditEntry, missing []string, err error) {
	var dedicated []controldb.ListDedicatedRow
	err = s.Maint.InTx(ctx, pg.Caller(c, false), func(tx tenantdb.DBTX) (err error) {
		if dedicated, err = s.control.ListDedicated(ctx, tx, tenant); err != nil {
			return err
		}
		switch {
		case tenant == nil:
			rows, err = s.listAll(ctx, tx, p)
		case len(dedicated) == 0:
			rows, err = s.list(ctx, tx, *tenant, p)
		}
		return err
	})
	if err != nil || len(dedicated) == 0 {
		return rows, nil, err
	}
	if tenant != nil {
		rows, err = s.listDedicated(ctx, dedicated[0], p)
		return rows, nil, err
	}
	more, missing := s.gather(ctx, dedicated, p)
	rows = append(rows, more...)
	slices.SortFunc(rows, func(a, b tenantdb.AuditEntry) int {
		if p.Desc {
			a, b = b, a
		}
		return older(a, b)
	})
	return rows[:min(len(rows), int(p.Limit))], missing, nil
}

const (
	// gatherTime is how long a list over all tenants waits for dedicated
	// databases, for all of them together.
	gatherTime = time.Second
	// gatherReaders is how many of them it reads at once.
	gatherReaders = 8
)

// gather reads a page from every dedicated database and names the tenants of
// those that gave none.
func (s *Service) gather(ctx context.Context, dedicated []controldb.ListDedicatedRow, p Page) (rows []tenantdb.AuditEntry, missing []string) {
	ctx, cancel := context.WithTimeout(ctx, gatherTime)
	defer cancel()
	type result struct {
		tenant string
		rows   []tenantdb.AuditEntry
		err    error
	}
	results := make(chan result, len(dedicated)) // nobody waits to be heard
	turns := make(chan struct{}, gatherReaders)
	for _, d := range dedicated {
		go func() {
			r := result{tenant: d.TenantID}
			select {
			case turns <- struct{}{}:
				r.rows, r.err = s.listDedicated(ctx, d, p)
				<-turns
			case <-ctx.Done():
				r.err = ctx.Err()
			}
			results <- r
		}()
	}
	faults := map[string]error{}
	for _, d := range dedicated {
		faults[d.TenantID] = context.DeadlineExceeded // until it answers
	}
	for range dedicated {
		select {
		case r := <-results:
			rows, faults[r.tenant] = append(rows, r.rows...), r.err
		case <-ctx.Done():
		}
	}
	for _, d := range dedicated {
		if err := faults[d.TenantID]; err != nil {
			missing = append(missing, d.TenantID)
			s.Log.Warn("audit trail left out of a list", "tenant", s.TenantHash(d.TenantID), "cause", err)
		}
	}
	return rows, missing
}

// listDedicated reads a page from a tenant's own database, on a connection of
// its own as the database's owner: that works for a suspended tenant too, and
// takes no pool from tenants that are busy. The customer may own the database,
// so it can say nothing about other tenants.
func (s *Service) listDedicated(ctx context.Context, d controldb.ListDedicatedRow, p Page) (rows []tenantdb.AuditEntry, err error) {
	err = s.Directory.AsOwner(ctx, d.TenantID, d.SealedOwnerURL, func(tx tenantdb.DBTX) (err error) {
		rows, err = s.list(ctx, tx, d.TenantID, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(rows) > int(p.Limit) || slices.ContainsFunc(rows, func(e tenantdb.AuditEntry) bool { return e.TenantID != d.TenantID }) {
		return nil, problem.New(problem.Unavailable)
	}
	return rows, nil
}

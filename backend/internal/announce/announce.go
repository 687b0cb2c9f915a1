// Package announce tells the gateways what they decide by and only the backend
// knows: which sessions have ended, and what is in force for each tenant.
//
// It is told after the transaction of a change has been committed, so nothing is
// announced that did not happen. Redis may be away: what could not be said is
// said later, and no request fails or waits for it longer than REDIS_TIMEOUT.
// What Redis has lost is told again from PostgreSQL (see [Announcer.seed]).
package announce

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"gatehouse/backend/internal/controldb"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/placement"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/internal/feed"
	"gatehouse/internal/limit"
	"gatehouse/internal/redisconn"
	"gatehouse/internal/revocation"
	"gatehouse/internal/token"
)

// Window is how long after its last refresh a session's access token may still be
// valid somewhere: the longest life of one, and the clock skew that is tolerated
// on either side of it.
const Window = token.MaxLifetime + 2*token.Leeway

var sessionsEnded = metrics.NewCounter(`backend_sessions_ended_total`)

// Options are what an [Announcer] works with.
type Options struct {
	Redis *redisconn.Client
	// Maint is the main database as gh_maint, which sees all tenants.
	Maint     *pg.DB
	Directory *placement.Directory
	// TenantHash gives the name under which a tenant appears in logs.
	TenantHash func(tenant string) string
	Now        func() time.Time
	Log        *slog.Logger
	// Heard, if set, is given all items before anybody else has them: what this
	// process knows must not be older than what it has acknowledged.
	Heard func([]feed.Item)
	// Retry is how long a dedicated database that did not answer is left alone
	// before it is asked again; 2 s when zero.
	Retry time.Duration
}

// Announcer tells the gateways of changes. It is safe for concurrent use.
type Announcer struct {
	Options
	publisher *feed.Publisher

	control controldb.Queries
	queries tenantdb.Queries

	mu sync.Mutex
	// silent are tenants whose own database did not say which of their sessions
	// have ended, and when it was asked for a seed.
	silent map[string]time.Time
	// fallen wakes who asks them again.
	fallen chan struct{}
}

// New returns an announcer, which can be told of changes at once. What it could
// not pass on waits for [Announcer.Run].
func New(o Options) *Announcer {
	if o.Retry == 0 {
		o.Retry = 2 * time.Second
	}
	a := &Announcer{Options: o, silent: map[string]time.Time{}, fallen: make(chan struct{}, 1)}
	a.publisher = feed.NewPublisher(feed.Options{Client: o.Redis, Seed: a.seed, Log: o.Log, Now: o.Now})
	return a
}

// Run passes on what waits, and seeds the feed when Redis has lost it. It returns
// when ctx ends.
func (a *Announcer) Run(ctx context.Context) {
	var runs sync.WaitGroup
	runs.Go(func() { a.publisher.Run(ctx) })
	runs.Go(func() { a.askAgain(ctx) })
	runs.Wait()
}

// Session tells of a session that has ended.
func (a *Announcer) Session(ctx context.Context, s tenantdb.RevokeSessionRow) {
	a.Sessions(ctx, []tenantdb.RevokeOtherSessionsRow{tenantdb.RevokeOtherSessionsRow(s)})
}

// Sessions tells of sessions that have ended. Those whose access tokens have
// expired are left out.
func (a *Announcer) Sessions(ctx context.Context, ended []tenantdb.RevokeOtherSessionsRow) {
	items := make([]feed.Item, 0, len(ended))
	expires := a.Now().Add(Window)
	sessionsEnded.Add(len(ended))
	for _, s := range ended {
		if s.TokenLive {
			items = append(items, revocation.Item(s.ID, expires))
		}
	}
	a.publish(ctx, items...)
}

// Tenant tells of a tenant as it is now.
func (a *Announcer) Tenant(ctx context.Context, t limit.Tenant) {
	a.Resumed(ctx, t, nil)
}

// Resumed tells of a tenant as it is now, and first of the sessions that have
// ended while nobody of it was let in: the gateways must know them before they
// let its tokens pass.
func (a *Announcer) Resumed(ctx context.Context, t limit.Tenant, ended []tenantdb.ListRevokedSessionsRow) {
	items := make([]feed.Item, 0, len(ended)+1)
	for _, s := range ended {
		items = append(items, revoked(s))
	}
	item, err := stateItem(t)
	if err != nil {
		a.Log.Error("tenant not announced", "tenant", a.TenantHash(t.ID), "cause", err)
		return
	}
	a.publish(ctx, append(items, item)...)
}

func (a *Announcer) publish(ctx context.Context, items ...feed.Item) {
	if a.Heard != nil {
		a.Heard(items)
	}
	a.publisher.Publish(ctx, items...)
}

func revoked(s tenantdb.ListRevokedSessionsRow) feed.Item {
	return revocation.Item(s.ID, s.RevokedAt.Add(Window))
}

func stateItem(t limit.Tenant) (feed.Item, error) {
	value, err := t.JSON()
	if err != nil {
		return feed.Item{}, fmt.Errorf("encode the state of a tenant: %w", err)
	}
	return feed.Item{Kind: feed.Tenant, Key: t.ID, Version: t.Version, Value: value}, nil
}

// State returns what the edge must know of a tenant, in the transaction that
// changes it.
func State(ctx context.Context, tx controldb.DBTX, t controldb.Tenant) (limit.Tenant, error) {
	var control controldb.Queries
	rows, err := control.ListOverrides(ctx, tx, t.ID)
	if err != nil {
		return limit.Tenant{}, err
	}
	return state(controldb.ListTenantStatesRow{ID: t.ID, Version: t.Version, Status: t.Status, Plan: t.Plan}, rows), nil
}

func state(t controldb.ListTenantStatesRow, overrides []controldb.Override) limit.Tenant {
	s := limit.Tenant{ID: t.ID, Version: t.Version, Status: t.Status, Plan: t.Plan}
	for _, row := range overrides {
		s.Overrides = append(s.Overrides, override(row))
	}
	return s
}

func override(row controldb.Override) limit.Override {
	o := limit.Override{
		Policy: row.Policy,
		Limit: limit.Limit{
			Requests: int(row.Requests), Period: time.Duration(row.PeriodSeconds) * time.Second, Burst: int(row.Burst),
		},
		Shadow: row.Shadow, Owner: row.Owner, Reason: row.Reason,
	}
	if row.UserID != nil {
		o.User = *row.UserID
	}
	if row.ExpiresAt != nil {
		o.ExpiresAt = *row.ExpiresAt
	}
	return o
}

// pageSize is how many rows are read, and told of, at once.
const pageSize = 1000

// maxRevoked bounds how many sessions of one tenant are told of at once, so that
// the owner of a dedicated database, who may put rows into it, cannot have any
// number announced. The backend itself refuses sessions beyond it all the same.
const maxRevoked = 100_000

// Revoked lists the sessions of a tenant that have ended lately, those of which a
// token may still be valid; at most 100,000, from the oldest.
func Revoked(ctx context.Context, db tenantdb.DBTX, tenant string) ([]tenantdb.ListRevokedSessionsRow, error) {
	var queries tenantdb.Queries
	var all []tenantdb.ListRevokedSessionsRow
	after := earliest
	for len(all) < maxRevoked {
		page, err := queries.ListRevokedSessions(ctx, db, tenantdb.ListRevokedSessionsParams{
			TenantID: tenant, WindowSeconds: Window.Seconds(), AfterRevokedAt: after.RevokedAt, AfterID: after.ID, RowLimit: pageSize,
		})
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if len(page) < pageSize {
			break
		}
		after = page[len(page)-1]
	}
	return all, nil
}

// earliest comes before every session that has ended.
var earliest = tenantdb.ListRevokedSessionsRow{RevokedAt: time.Unix(0, 0).UTC()}

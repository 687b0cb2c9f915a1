package announce

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"golang.org/x/sync/errgroup"

	"gatehouse/backend/internal/controldb"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/internal/feed"
)

const (
	// gatherTime is how long a seed waits for dedicated databases, for all of them
	// together, and connectTime how long for a connection to one.
	gatherTime  = 3 * time.Second
	connectTime = 2 * time.Second
	// readers is how many of them are asked at once.
	readers = 8
)

var silences = metrics.NewCounter(`backend_announce_dedicated_failures_total`)

// addDedicated tells of the sessions that have ended in dedicated databases.
func (a *Announcer) addDedicated(ctx context.Context, tx tenantdb.DBTX, add func(...feed.Item) error) error {
	all, err := a.control.ListPlacements(ctx, tx)
	if err != nil {
		return err
	}
	var refused error
	a.ask(ctx, all, func(t controldb.ListPlacementsRow, items []feed.Item, err error) {
		if a.note(t.ID, err); err == nil && len(items) > 0 && refused == nil {
			refused = add(items...)
		}
	})
	return refused
}

// askable reports whether a tenant has a database of its own and tokens that may
// be in use. A suspended one's sessions are told of when it is resumed.
func askable(t controldb.ListPlacementsRow) bool {
	return t.Placement == "dedicated" && t.Status != "suspended"
}

// ask asks the dedicated databases of tenants, and hands out what each says, one
// after the other.
func (a *Announcer) ask(ctx context.Context, tenants []controldb.ListPlacementsRow, heard func(controldb.ListPlacementsRow, []feed.Item, error)) {
	ctx, cancel := context.WithTimeout(ctx, gatherTime)
	defer cancel()
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(readers)
	for _, t := range tenants {
		if !askable(t) {
			continue
		}
		group.Go(func() error {
			var items []feed.Item
			err := ctx.Err()
			if err == nil {
				err = a.Directory.Probe(ctx, t.ID, t.SealedURL, connectTime, func(ctx context.Context, db *pg.DB) error {
					ended, err := Revoked(ctx, db.As(pg.Scope{Tenant: t.ID}), t.ID)
					for _, s := range ended {
						items = append(items, revoked(s))
					}
					return err
				})
			}
			mu.Lock()
			defer mu.Unlock()
			heard(t, items, err)
			return nil
		})
	}
	_ = group.Wait() // it ends soon after ctx does
}

// note keeps the tenants whose database did not answer a seed.
func (a *Announcer) note(tenant string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil {
		delete(a.silent, tenant)
		return
	}
	silences.Inc()
	a.Log.Warn("sessions of a dedicated database not announced, asking again", "tenant", a.TenantHash(tenant), "cause", err)
	a.silent[tenant] = a.Now()
	select {
	case a.fallen <- struct{}{}:
	default:
	}
}

// askAgain asks databases that did not answer a seed until they do.
func (a *Announcer) askAgain(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.fallen:
		}
		for a.stillSilent() > 0 {
			// Not all backends at once.
			wait := a.Retry/2 + rand.N(a.Retry) //nolint:gosec // when to ask is no secret
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
			a.askSilent(ctx)
		}
	}
}

// stillSilent counts the tenants whose database is to be asked again. What ended
// before a seed matters no more once the window of time is over.
func (a *Announcer) stillSilent() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	for tenant, since := range a.silent {
		if a.Now().Sub(since) > Window {
			delete(a.silent, tenant)
		}
	}
	return len(a.silent)
}

func (a *Announcer) askSilent(ctx context.Context) {
	all, err := a.control.ListPlacements(ctx, a.Maint.Control())
	if err != nil {
		return // the main database does not answer either
	}
	asked := map[string]time.Time{}
	var again []controldb.ListPlacementsRow
	a.mu.Lock()
	for _, t := range all {
		if since, ok := a.silent[t.ID]; ok && askable(t) {
			asked[t.ID] = since
			again = append(again, t)
		}
	}
	for tenant := range a.silent {
		if _, ok := asked[tenant]; !ok {
			delete(a.silent, tenant)
		}
	}
	a.mu.Unlock()
	a.ask(ctx, again, func(t controldb.ListPlacementsRow, items []feed.Item, err error) {
		if err != nil {
			silences.Inc()
			return
		}
		a.publisher.Publish(ctx, items...)
		a.told(t.ID, asked[t.ID])
	})
}

// told forgets that a database did not answer the seed of that time. It may have
// failed to answer another one since.
func (a *Announcer) told(tenant string, since time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.silent[tenant].Equal(since) {
		delete(a.silent, tenant)
		a.Log.Info("sessions of a dedicated database announced", "tenant", a.TenantHash(tenant))
	}
}

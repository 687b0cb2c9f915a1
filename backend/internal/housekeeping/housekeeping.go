// Package housekeeping deletes rows that nobody needs any more: ended sessions,
// refresh tokens, kept answers, the history of sign-ins, counters of failures, and
// invitations.
//
// It goes through all tenants, in transactions that delete at most 500 rows of a
// table. Each holds an advisory lock of the database that it is in, so one process
// at a time tidies it, and the fence of its tenant, so nothing changes behind the
// back of a move. What fails is tried again in the next round.
package housekeeping

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"gatehouse/backend/internal/controldb"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/placement"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/internal/config"
)

// Config is how often there is a round, and what is kept how long.
type Config struct {
	Interval    time.Duration `env:"HOUSEKEEPING_INTERVAL" envDefault:"1h" doc:"How often this process looks for rows that nobody needs any more, in all databases; at least 1m, or 0s for never, where others do it"`
	HistoryDays int           `env:"LOGIN_HISTORY_DAYS" envDefault:"180" doc:"How many days the history of sign-ins is kept"`
}

// Validate implements [config.Checked].
func (c *Config) Validate(m *config.Mistakes) {
	if c.Interval != 0 && (c.Interval < time.Minute || c.Interval > 24*time.Hour) {
		m.Add("HOUSEKEEPING_INTERVAL", "is %v; 1m to 24h, or 0s is allowed", c.Interval)
	}
	m.Range("LOGIN_HISTORY_DAYS", c.HistoryDays, 1, 3650)
}

const day = 24 * time.Hour

const (
	// sessionKept is how long a session can be looked up after its end. The edge
	// has to be told of it for an hour (see package announce).
	sessionKept = 30 * day
	// invitationKept is how long admins see an invitation after it has expired.
	invitationKept = 30 * day
	// failureKept is far longer than the window of time in which failures count.
	failureKept = day
)

var (
	roundsDone   = metrics.NewCounter(`backend_housekeeping_rounds_total{outcome="done"}`)
	roundsBusy   = metrics.NewCounter(`backend_housekeeping_rounds_total{outcome="busy"}`)
	roundsFailed = metrics.NewCounter(`backend_housekeeping_rounds_total{outcome="failed"}`)
	roundSeconds = metrics.NewPrometheusHistogramExt(`backend_housekeeping_round_duration_seconds`, roundBuckets)
	ownFailures  = metrics.NewCounter(`backend_housekeeping_dedicated_failures_total`)
)

// roundBuckets span from a round that found nothing to one over many databases.
var roundBuckets = []float64{.01, .1, .5, 1, 5, 15, 60, 300, 1800}

// Options are what a [Keeper] works with.
type Options struct {
	Config Config
	// Maint is the main database as gh_maint, which sees all tenants.
	Maint     *pg.DB
	Directory *placement.Directory
	// TenantHash gives the name under which a tenant appears in logs.
	TenantHash func(tenant string) string
	Log        *slog.Logger
}

// Keeper does the housekeeping.
type Keeper struct {
	Options
	control controldb.Queries
	queries tenantdb.Queries
}

// New returns a keeper, which does nothing until it is run.
func New(o Options) *Keeper { return &Keeper{Options: o} }

// Run does a round in every interval until ctx ends, which breaks off the round
// under way. It returns at once when there is no interval.
func (k *Keeper) Run(ctx context.Context) {
	if k.Config.Interval == 0 {
		return
	}
	for {
		// Processes that were started together take turns.
		wait := k.Config.Interval/2 + rand.N(k.Config.Interval) //nolint:gosec // when to tidy is no secret
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		k.Round(ctx)
	}
}

// Round goes through all tenants once. It does nothing while another process does.
func (k *Keeper) Round(ctx context.Context) {
	began := time.Now()
	busy, err := k.everywhere(ctx)
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		roundsFailed.Inc()
		k.Log.Warn("housekeeping broken off", "cause", err)
	case busy:
		roundsBusy.Inc()
	default:
		roundsDone.Inc()
		roundSeconds.UpdateDuration(began)
	}
}

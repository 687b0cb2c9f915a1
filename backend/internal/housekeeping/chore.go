package housekeeping

import (
	"context"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"gatehouse/backend/internal/tenantdb"
)

var (
	deletedTokens      = metrics.NewCounter(`backend_housekeeping_rows_deleted_total{table="refresh_tokens"}`)
	deletedSessions    = metrics.NewCounter(`backend_housekeeping_rows_deleted_total{table="sessions"}`)
	deletedKeys        = metrics.NewCounter(`backend_housekeeping_rows_deleted_total{table="idempotency_keys"}`)
	deletedEvents      = metrics.NewCounter(`backend_housekeeping_rows_deleted_total{table="login_events"}`)
	deletedFailures    = metrics.NewCounter(`backend_housekeeping_rows_deleted_total{table="login_failures"}`)
	deletedInvitations = metrics.NewCounter(`backend_housekeeping_rows_deleted_total{table="invitations"}`)
)

// chore deletes one kind of row once it has been of no use for some time.
type chore struct {
	kept    time.Duration
	deleted *metrics.Counter
	run     func(context.Context, tenantdb.DBTX, rows) (int64, error)
}

// rows says which rows a chore deletes. All of its statements take the same.
type rows = tenantdb.DeleteRefreshTokensParams

// chores lists them in the order in which they are done. Refresh tokens come
// before their sessions, which take what is left of theirs with them, so that no
// statement deletes thousands of rows.
func (k *Keeper) chores() []chore {
	q := &k.queries
	history := time.Duration(k.Config.HistoryDays) * day
	return []chore{
		{0, deletedTokens, q.DeleteRefreshTokens},
		{sessionKept, deletedSessions, func(ctx context.Context, db tenantdb.DBTX, r rows) (int64, error) {
			return q.DeleteExpiredSessions(ctx, db, tenantdb.DeleteExpiredSessionsParams(r))
		}},
		{sessionKept, deletedSessions, func(ctx context.Context, db tenantdb.DBTX, r rows) (int64, error) {
			return q.DeleteRevokedSessions(ctx, db, tenantdb.DeleteRevokedSessionsParams(r))
		}},
		{0, deletedKeys, func(ctx context.Context, db tenantdb.DBTX, r rows) (int64, error) {
			return q.DeleteIdempotencyKeys(ctx, db, tenantdb.DeleteIdempotencyKeysParams(r))
		}},
		{history, deletedEvents, func(ctx context.Context, db tenantdb.DBTX, r rows) (int64, error) {
			return q.DeleteLoginEvents(ctx, db, tenantdb.DeleteLoginEventsParams(r))
		}},
		{failureKept, deletedFailures, func(ctx context.Context, db tenantdb.DBTX, r rows) (int64, error) {
			return q.DeleteLoginFailures(ctx, db, tenantdb.DeleteLoginFailuresParams(r))
		}},
		{invitationKept, deletedInvitations, func(ctx context.Context, db tenantdb.DBTX, r rows) (int64, error) {
			return q.DeleteInvitations(ctx, db, tenantdb.DeleteInvitationsParams(r))
		}},
	}
}

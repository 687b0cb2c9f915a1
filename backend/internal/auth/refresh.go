package auth

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"gatehouse/backend/internal/announce"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/trail"
	"gatehouse/internal/problem"
	"gatehouse/internal/token"
)

const (
	// maxRefreshes of a session in refreshWindow, which starts with the first of
	// them.
	maxRefreshes  = 30
	refreshWindow = 15 * time.Minute
)

var (
	refreshesOK      = metrics.NewCounter(`backend_auth_refreshes_total{outcome="ok"}`)
	refreshesRefused = metrics.NewCounter(`backend_auth_refreshes_total{outcome="refused"}`)
	refreshesReused  = metrics.NewCounter(`backend_auth_refreshes_total{outcome="reused"}`)
	refreshesLimited = metrics.NewCounter(`backend_auth_refreshes_total{outcome="limited"}`)
	refreshesFailed  = metrics.NewCounter(`backend_auth_refreshes_total{outcome="error"}`)
)

// errReused says that a refresh token came a second time.
var errReused = errors.New("the refresh token was spent before")

// refreshed is what came out of a refresh.
type refreshed struct {
	claims token.Claims
	token  string
	// reused says that the session was revoked instead.
	reused bool
	ended  tenantdb.RevokeSessionRow
}

// Refresh spends a refresh token and gives a new pair of the same session. A
// token that was spent before revokes its session: either the caller or
// somebody else has stolen it (RFC 9700 section 4.14).
func (s *Service) Refresh(ctx context.Context, raw string, by trail.Origin) (Pair, error) {
	pair, err := s.refresh(ctx, raw, by)
	switch {
	case err == nil:
		refreshesOK.Inc()
	case errors.Is(err, errReused):
		refreshesReused.Inc()
	case problem.Is(err, problem.InvalidRefreshToken):
		refreshesRefused.Inc()
	case problem.Is(err, problem.RateLimited):
		refreshesLimited.Inc()
	default:
		refreshesFailed.Inc()
	}
	return pair, err
}

func (s *Service) refresh(ctx context.Context, raw string, by trail.Origin) (Pair, error) {
	tenantID, hash, ok := parseRefreshToken(raw)
	if !ok {
		return Pair{}, problem.New(problem.InvalidRefreshToken)
	}
	tenant, err := s.Directory.Find(ctx, tenantID)
	if problem.Is(err, problem.NotFound) {
		return Pair{}, problem.Wrap(problem.InvalidRefreshToken, err)
	}
	if err != nil {
		return Pair{}, err
	}
	var r refreshed
	err = s.Directory.InTx(ctx, pg.Scope{Tenant: tenant.ID, Write: true}, func(tx tenantdb.DBTX) error {
		r, err = s.rotate(ctx, tx, tenant.ID, hash, by)
		return err
	})
	// Nothing is found, or the tenant was suspended since.
	if problem.Is(err, problem.NotFound) || problem.Is(err, problem.Unauthenticated) {
		err = problem.Wrap(problem.InvalidRefreshToken, err)
	}
	if err != nil {
		return Pair{}, err
	}
	if r.reused {
		s.Announcer.Session(ctx, r.ended)
		trail.Security(s.Log, trail.RefreshReuse, s.TenantHash(tenant.ID), by,
			slog.String("session", r.claims.Session.String()), slog.String("user", r.claims.UserID.String()))
		return Pair{}, problem.Wrap(problem.InvalidRefreshToken, errReused)
	}
	return s.pair(r.claims, r.token)
}

// rotate spends a refresh token and stores its successor. When the token was
// spent before, the session is revoked, which is to be committed.
func (s *Service) rotate(ctx context.Context, tx tenantdb.DBTX, tenant string, hash []byte, by trail.Origin) (r refreshed, err error) {
	session, err := s.queries.LockSessionOfRefreshToken(ctx, tx, tenantdb.LockSessionOfRefreshTokenParams{TenantID: tenant, Hash: hash})
	if err != nil {
		return r, err
	}
	state, err := s.queries.GetRefreshState(ctx, tx, tenantdb.GetRefreshStateParams{
		TenantID: tenant, Hash: hash, WindowSeconds: refreshWindow.Seconds(),
	})
	if err != nil {
		return r, err
	}
	r.claims = token.Claims{
		UserID: state.UserID, Tenant: tenant, Username: state.Username, Session: session, Role: token.Role(state.Role),
	}
	switch {
	case !state.Live || !r.claims.Role.ValidIn(tenant): // as the owner of a dedicated database may make it
		return r, problem.New(problem.InvalidRefreshToken)
	case state.Spent && !s.repeatable(state, by):
		r.reused = true
		r.ended, err = s.revokeReused(ctx, tx, r.claims, by)
		return r, err
	case state.Refreshes >= maxRefreshes:
		p := problem.Newf(problem.RateLimited, "The limit %q is used up; see the Retry-After header.", "session_refresh")
		p.RetryAfter = max(seconds(state.WindowSecondsLeft), 1)
		return r, p
	}
	var next []byte
	r.token, next = newRefreshToken(tenant)
	if err := s.queries.CreateRefreshToken(ctx, tx, tenantdb.CreateRefreshTokenParams{
		TenantID: tenant, Hash: next, SessionID: session, ExpiresAt: s.Now().Add(refreshLifetime),
	}); err != nil {
		return r, err
	}
	if state.Spent {
		err = s.repeat(ctx, tx, tenant, hash, state.Successor, next)
	} else {
		err = s.queries.SpendRefreshToken(ctx, tx, tenantdb.SpendRefreshTokenParams{
			TenantID: tenant, Hash: hash, SpentIP: &by.IP, SpentUserAgent: &by.UserAgent, Successor: next,
		})
	}
	if err != nil {
		return r, err
	}
	return r, s.queries.CountRefresh(ctx, tx, tenantdb.CountRefreshParams{
		TenantID: tenant, ID: session, WindowSeconds: refreshWindow.Seconds(),
	})
}

// repeatable reports whether a spent token came from the client that spent it,
// soon after, and what that got has not been used: its answer may have been
// lost on the way.
func (s *Service) repeatable(state tenantdb.GetRefreshStateRow, by trail.Origin) bool {
	return s.ReuseGrace > 0 && seconds(state.SpentSecondsAgo) < s.ReuseGrace && state.SuccessorUnspent &&
		state.SpentIP != nil && *state.SpentIP == by.IP &&
		state.SpentUserAgent != nil && *state.SpentUserAgent == by.UserAgent
}

// repeat gives a spent token another successor. The one it had becomes void: to
// use it later is reuse, since nobody is on record for having spent it.
func (s *Service) repeat(ctx context.Context, tx tenantdb.DBTX, tenant string, hash, void, next []byte) error {
	if err := s.queries.SpendRefreshToken(ctx, tx, tenantdb.SpendRefreshTokenParams{TenantID: tenant, Hash: void}); err != nil {
		return err
	}
	return s.queries.ReplaceSuccessor(ctx, tx, tenantdb.ReplaceSuccessorParams{TenantID: tenant, Hash: hash, Successor: next})
}

func (s *Service) revokeReused(ctx context.Context, tx tenantdb.DBTX, c token.Claims, by trail.Origin) (tenantdb.RevokeSessionRow, error) {
	ended, err := s.queries.RevokeSession(ctx, tx, tenantdb.RevokeSessionParams{
		TenantID: c.Tenant, ID: c.Session, UserID: c.UserID, Reason: "reuse", WindowSeconds: announce.Window.Seconds(),
	})
	if err != nil {
		return ended, err
	}
	return ended, trail.Record(ctx, tx, c.Tenant, by, trail.Entry{
		Action: trail.SessionReuse, Target: c.Session.String(), Details: map[string]string{"user": c.UserID.String()},
	})
}

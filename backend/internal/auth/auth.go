// Package auth signs users up, in and out, and keeps their sessions: access
// tokens that live minutes, and single-use refresh tokens that are rotated.
package auth

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/google/uuid"

	"gatehouse/backend/internal/account"
	"gatehouse/backend/internal/password"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/placement"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/trail"
	"gatehouse/internal/problem"
	"gatehouse/internal/token"
)

// Lifetimes of refresh tokens and, whatever is refreshed, of sessions.
const (
	refreshLifetime = 30 * 24 * time.Hour
	sessionLifetime = 90 * 24 * time.Hour
)

// Service holds the rules of accounts and sessions.
type Service struct {
	Directory *placement.Directory
	Hasher    *password.Hasher
	Keys      *token.Keyring
	// AccessLifetime is how long an access token is valid.
	AccessLifetime time.Duration
	Now            func() time.Time
	Log            *slog.Logger

	queries tenantdb.Queries
}

// Client is where a request comes from, as sessions and login events keep it.
type Client struct{ IP, UserAgent string }

// Pair is what a login or a refresh gives.
type Pair struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"` // seconds
}

var (
	logins = map[string]*metrics.Counter{
		outcomeOK:          metrics.NewCounter(`backend_auth_logins_total{outcome="ok"}`),
		outcomeBadPassword: metrics.NewCounter(`backend_auth_logins_total{outcome="bad_password"}`),
		outcomeUnknownUser: metrics.NewCounter(`backend_auth_logins_total{outcome="unknown_user"}`),
		outcomeInactive:    metrics.NewCounter(`backend_auth_logins_total{outcome="inactive"}`),
	}
	loginsUnknownTenant = metrics.NewCounter(`backend_auth_logins_total{outcome="unknown_tenant"}`)
	refreshReuse        = metrics.NewCounter(`backend_auth_refresh_reuse_total`)
)

// Outcomes of a login as its event keeps them.
const (
	outcomeOK          = "ok"
	outcomeBadPassword = "bad_password"
	outcomeUnknownUser = "unknown_user"
	outcomeInactive    = "inactive"
)

// Signup makes a member of a tenant with open sign-up. An unknown tenant gets
// the same answer as a closed one.
func (s *Service) Signup(ctx context.Context, u account.New, by trail.Origin) (tenantdb.User, error) {
	tenant, err := s.Directory.Find(ctx, u.Tenant)
	if problem.Is(err, problem.NotFound) || err == nil && tenant.Signup != "open" {
		return tenantdb.User{}, problem.New(problem.SignupClosed)
	}
	if err != nil {
		return tenantdb.User{}, err
	}
	u.Role = token.Member
	hash, err := s.Hasher.Hash(ctx, u.Password)
	if err != nil {
		return tenantdb.User{}, err
	}
	var user tenantdb.User
	err = s.Directory.InTx(ctx, pg.Scope{Tenant: tenant.ID, Write: true}, func(tx tenantdb.DBTX) error {
		if user, err = account.Insert(ctx, tx, u, hash); err != nil {
			return err
		}
		return trail.Record(ctx, tx, tenant.ID, by, trail.Entry{Action: trail.UserSignup, Target: user.ID.String()})
	})
	return user, err
}

// Login checks a password and opens a session. Every failure is one answer,
// after about the same work.
func (s *Service) Login(ctx context.Context, in LoginRequest, client Client) (Pair, error) {
	tenant, err := s.Directory.Find(ctx, in.TenantID)
	if problem.Is(err, problem.NotFound) {
		loginsUnknownTenant.Inc()
		return Pair{}, s.refuseAfterWork(ctx, in.Password)
	}
	if err != nil {
		return Pair{}, err
	}
	user, err := s.findUser(ctx, tenant.ID, in.UsernameOrEmail)
	if problem.Is(err, problem.NotFound) {
		if err := s.recordFailure(ctx, tenant.ID, nil, outcomeUnknownUser, client); err != nil {
			return Pair{}, err
		}
		return Pair{}, s.refuseAfterWork(ctx, in.Password)
	}
	if err != nil {
		return Pair{}, err
	}
	ok, outdated, err := s.Hasher.Verify(ctx, in.Password, user.PasswordHash)
	if err != nil {
		return Pair{}, err
	}
	if !ok || !user.Active {
		outcome := outcomeBadPassword
		if ok {
			outcome = outcomeInactive
		}
		if err := s.recordFailure(ctx, tenant.ID, &user.ID, outcome, client); err != nil {
			return Pair{}, err
		}
		return Pair{}, problem.New(problem.InvalidCredentials)
	}
	if outdated {
		s.rehash(ctx, user, in.Password)
	}
	pair, err := s.openSession(ctx, tenant, user, client)
	if err == nil {
		logins[outcomeOK].Inc()
	}
	return pair, err
}

// refuseAfterWork hides, by its duration, that there was nothing to verify.
func (s *Service) refuseAfterWork(ctx context.Context, pw string) error {
	if err := s.Hasher.VerifyNothing(ctx, pw); err != nil {
		return err
	}
	return problem.New(problem.InvalidCredentials)
}

// rehash stores the password under today's parameters. A failure is no reason
// to refuse the login.
func (s *Service) rehash(ctx context.Context, user tenantdb.User, pw string) {
	hash, err := s.Hasher.Hash(ctx, pw)
	if err == nil {
		err = s.setPasswordHash(ctx, user, hash)
	}
	if err != nil {
		s.Log.Warn("password not rehashed", "cause", err)
	}
}

var errSpent = errors.New("refresh token was spent before")

// Refresh spends a refresh token and gives a new pair of the same session. A
// token that was spent before revokes its session: either the caller or
// somebody else has stolen it (RFC 9700 section 4.14).
func (s *Service) Refresh(ctx context.Context, raw string) (Pair, error) {
	tenantID, hash, ok := parseRefreshToken(raw)
	if !ok {
		return Pair{}, problem.New(problem.InvalidRefreshToken)
	}
	tenant, err := s.Directory.Find(ctx, tenantID)
	if problem.Is(err, problem.NotFound) {
		return Pair{}, problem.New(problem.InvalidRefreshToken)
	}
	if err != nil {
		return Pair{}, err
	}
	session, next, err := s.rotate(ctx, tenant.ID, hash)
	if errors.Is(err, errSpent) {
		refreshReuse.Inc()
		s.Log.Warn("security event", "event", "refresh_token_reuse", "session", session.SessionID)
		return Pair{}, problem.Wrap(problem.InvalidRefreshToken, err)
	}
	if err != nil {
		return Pair{}, err
	}
	return s.pair(token.Claims{
		UserID: session.UserID, Tenant: tenant.ID, Username: session.Username,
		Session: session.SessionID, Role: token.Role(session.Role),
	}, next)
}

// Logout revokes the caller's session, and with it its refresh tokens.
func (s *Service) Logout(ctx context.Context, c token.Claims) error {
	return s.revoke(ctx, c, "logout")
}

// pair signs the access token that goes with a refresh token. It is called
// after the session is committed.
func (s *Service) pair(c token.Claims, refresh string) (Pair, error) {
	access, err := s.Keys.Sign(c, s.AccessLifetime)
	if err != nil {
		return Pair{}, err
	}
	return Pair{
		AccessToken:  access,
		RefreshToken: refresh,
		TokenType:    "bearer",
		ExpiresIn:    int(s.AccessLifetime / time.Second),
	}, nil
}

func newID() (uuid.UUID, error) { return uuid.NewV7() }

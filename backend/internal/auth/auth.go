// Package auth signs users up and in, keeps them signed in, and lets them
// change their password. A sign-in begins a session: an access token that lives
// minutes, and single-use refresh tokens that are rotated.
package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/go-json-experiment/json"

	"gatehouse/backend/internal/announce"
	"gatehouse/backend/internal/cache"
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

// Service holds the rules of signing up and in.
type Service struct {
	Directory *placement.Directory
	Cache     *cache.Cache
	Announcer *announce.Announcer
	Hasher    *password.Hasher
	Keys      *token.Keyring
	// AccessLifetime is how long an access token is valid.
	AccessLifetime time.Duration
	// ReuseGrace is how long the client that spent a refresh token may repeat
	// that; 0 means never.
	ReuseGrace time.Duration
	// TenantHash returns the name under which a tenant appears in logs.
	TenantHash func(tenant string) string
	Now        func() time.Time
	Log        *slog.Logger

	queries tenantdb.Queries
}

// Pair is what a login or a refresh gives.
type Pair struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"` // seconds
}

// Outcomes of a login as its event keeps them.
const (
	outcomeOK          = "ok"
	outcomeBadPassword = "bad_password"
	outcomeUnknownUser = "unknown_user"
	outcomeInactive    = "inactive"
	outcomeBackoff     = "backoff"
)

var (
	logins = map[string]*metrics.Counter{
		outcomeOK:          metrics.NewCounter(`backend_auth_logins_total{outcome="ok"}`),
		outcomeBadPassword: metrics.NewCounter(`backend_auth_logins_total{outcome="bad_password"}`),
		outcomeUnknownUser: metrics.NewCounter(`backend_auth_logins_total{outcome="unknown_user"}`),
		outcomeInactive:    metrics.NewCounter(`backend_auth_logins_total{outcome="inactive"}`),
		outcomeBackoff:     metrics.NewCounter(`backend_auth_logins_total{outcome="backoff"}`),
	}
	loginsUnknownTenant = metrics.NewCounter(`backend_auth_logins_total{outcome="unknown_tenant"}`)
)

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

// verify holds a password against a user's. A stored hash that cannot be read
// matches nothing.
func (s *Service) verify(ctx context.Context, pw string, user tenantdb.User, by trail.Origin) (ok, outdated bool, err error) {
	ok, outdated, err = s.Hasher.Verify(ctx, pw, user.PasswordHash)
	if errors.Is(err, password.ErrMalformed) {
		s.Log.Error("password not verified", "cause", err, "user", user.ID, "request_id", by.RequestID)
		return false, false, nil
	}
	return ok, outdated, err
}

// errHashChanged says that a password was verified against a hash that is not
// the user's any more.
var errHashChanged = errors.New("the password hash has changed meanwhile")

// steady runs fn again when a password has changed under it. Once it has been
// hashed anew at its user's login it stays, so few tries are enough.
func steady(fn func() error) error {
	for range 3 {
		if err := fn(); !errors.Is(err, errHashChanged) {
			return err
		}
	}
	return problem.Wrap(problem.Unavailable, errHashChanged)
}

// getUser returns the signed-in user.
func (s *Service) getUser(ctx context.Context, c token.Claims) (tenantdb.User, error) {
	return s.queries.GetUser(ctx, s.Directory.As(pg.Caller(c, false)), tenantdb.GetUserParams{
		TenantID: c.Tenant, ID: c.UserID,
	})
}

// me returns what a caller may know of itself.
func (s *Service) me(ctx context.Context, c token.Claims) (Me, error) {
	text, err := s.Cache.Read(ctx, cache.Entry{Tenant: c.Tenant, Kind: cache.Users, Key: c.UserID.String()}, cache.Reader{
		Load: func(ctx context.Context) ([]byte, error) {
			u, err := s.getUser(ctx, c)
			if err != nil {
				return nil, err
			}
			// Without the session, which is the caller's, and the password's hash.
			return json.Marshal(Me{ID: u.ID, Username: u.Username, Email: u.Email, TenantID: u.TenantID, Role: u.Role})
		},
		Admit: func(ctx context.Context) error { return s.Directory.Admit(ctx, pg.Caller(c, false)) },
	})
	if err != nil {
		return Me{}, err
	}
	var me Me
	if err := json.Unmarshal(text, &me); err != nil {
		return Me{}, fmt.Errorf("read a cached user: %w", err)
	}
	me.LoginSession = c.Session
	return me, nil
}

package auth

import (
	"context"
	"strings"

	"github.com/google/uuid"

	"gatehouse/backend/internal/field"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/placement"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/internal/problem"
	"gatehouse/internal/token"
)

// findUser looks a user up by name or, if there is an @, by e-mail address; no
// user name holds one.
func (s *Service) findUser(ctx context.Context, tenant, identifier string) (tenantdb.User, error) {
	db := s.Directory.As(pg.Scope{Tenant: tenant})
	key := field.Fold(identifier)
	if strings.Contains(identifier, "@") {
		return s.queries.GetUserByEmail(ctx, db, tenantdb.GetUserByEmailParams{TenantID: tenant, EmailKey: key})
	}
	return s.queries.GetUserByUsername(ctx, db, tenantdb.GetUserByUsernameParams{TenantID: tenant, UsernameKey: key})
}

func (s *Service) setPasswordHash(ctx context.Context, user tenantdb.User, hash string) error {
	db := s.Directory.As(pg.Scope{Tenant: user.TenantID, Write: true})
	return s.queries.SetPasswordHash(ctx, db, tenantdb.SetPasswordHashParams{
		PasswordHash: hash, TenantID: user.TenantID, ID: user.ID, OldHash: user.PasswordHash,
	})
}

// recordFailure keeps the event of a login that is about to be refused.
func (s *Service) recordFailure(ctx context.Context, tenant string, user *uuid.UUID, outcome string, c Client) error {
	logins[outcome].Inc()
	return s.recordLogin(ctx, s.Directory.As(pg.Scope{Tenant: tenant, Write: true}), tenant, user, outcome, c)
}

func (s *Service) recordLogin(ctx context.Context, db tenantdb.DBTX, tenant string, user *uuid.UUID, outcome string, c Client) error {
	id, err := newID()
	if err != nil {
		return err
	}
	return s.queries.CreateLoginEvent(ctx, db, tenantdb.CreateLoginEventParams{
		TenantID: tenant, ID: id, UserID: user, Outcome: outcome, IP: c.IP, UserAgent: c.UserAgent,
	})
}

// openSession stores the login event, the session and its first refresh token
// in one transaction; the access token is made once they are committed.
func (s *Service) openSession(ctx context.Context, tenant placement.Tenant, user tenantdb.User, c Client) (Pair, error) {
	session, err := newID()
	if err != nil {
		return Pair{}, err
	}
	refresh, hash := newRefreshToken(tenant.ID)
	now := s.Now()
	err = s.Directory.InTx(ctx, pg.Scope{Tenant: tenant.ID, Write: true}, func(tx tenantdb.DBTX) error {
		// The lock makes a deactivation wait, so that it finds this session.
		active, err := s.queries.LockUserActive(ctx, tx, tenantdb.LockUserActiveParams{TenantID: tenant.ID, ID: user.ID})
		if err != nil || !active {
			return problem.Wrap(problem.InvalidCredentials, err)
		}
		if tenant.SingleSession {
			if _, err := s.queries.RevokeOtherSessions(ctx, tx, tenantdb.RevokeOtherSessionsParams{
				TenantID: tenant.ID, UserID: user.ID, KeepID: session, Reason: "replaced",
			}); err != nil {
				return err
			}
		}
		if err := s.queries.CreateSession(ctx, tx, tenantdb.CreateSessionParams{
			TenantID: tenant.ID, ID: session, UserID: user.ID, IP: c.IP, UserAgent: c.UserAgent,
			ExpiresAt: now.Add(sessionLifetime),
		}); err != nil {
			return err
		}
		if err := s.queries.CreateRefreshToken(ctx, tx, tenantdb.CreateRefreshTokenParams{
			TenantID: tenant.ID, Hash: hash, SessionID: session, ExpiresAt: now.Add(refreshLifetime),
		}); err != nil {
			return err
		}
		return s.recordLogin(ctx, tx, tenant.ID, &user.ID, outcomeOK, c)
	})
	if err != nil {
		return Pair{}, err
	}
	return s.pair(token.Claims{
		UserID: user.ID, Tenant: tenant.ID, Username: user.Username, Session: session, Role: token.Role(user.Role),
	}, refresh)
}

// rotate spends a refresh token and stores its successor. When the token was
// spent before, the session's revocation is committed and errSpent returned.
func (s *Service) rotate(ctx context.Context, tenant string, hash []byte) (tenantdb.LockSessionOfRefreshTokenRow, string, error) {
	var session tenantdb.LockSessionOfRefreshTokenRow
	next, nextHash := newRefreshToken(tenant)
	spent := false
	err := s.Directory.InTx(ctx, pg.Scope{Tenant: tenant, Write: true}, func(tx tenantdb.DBTX) error {
		var err error
		session, err = s.queries.LockSessionOfRefreshToken(ctx, tx, tenantdb.LockSessionOfRefreshTokenParams{TenantID: tenant, Hash: hash})
		if problem.Is(err, problem.NotFound) {
			return problem.New(problem.InvalidRefreshToken)
		}
		if err != nil {
			return err
		}
		now := s.Now()
		if session.RevokedAt != nil || !session.Active ||
			!now.Before(session.SessionExpiresAt) || !now.Before(session.TokenExpiresAt) {
			return problem.New(problem.InvalidRefreshToken)
		}
		n, err := s.queries.SpendRefreshToken(ctx, tx, tenantdb.SpendRefreshTokenParams{TenantID: tenant, Hash: hash})
		if err != nil {
			return err
		}
		if spent = n == 0; spent {
			_, err := s.queries.RevokeSession(ctx, tx, tenantdb.RevokeSessionParams{
				TenantID: tenant, ID: session.SessionID, Reason: "reuse",
			})
			return err
		}
		if err := s.queries.CreateRefreshToken(ctx, tx, tenantdb.CreateRefreshTokenParams{
			TenantID: tenant, Hash: nextHash, SessionID: session.SessionID, ExpiresAt: now.Add(refreshLifetime),
		}); err != nil {
			return err
		}
		return s.queries.TouchSession(ctx, tx, tenantdb.TouchSessionParams{TenantID: tenant, ID: session.SessionID})
	})
	if err == nil && spent {
		err = errSpent
	}
	return session, next, err
}

func (s *Service) revoke(ctx context.Context, c token.Claims, reason string) error {
	_, err := s.queries.RevokeSession(ctx, s.Directory.As(pg.Caller(c, true)), tenantdb.RevokeSessionParams{
		TenantID: c.Tenant, ID: c.Session, Reason: reason,
	})
	return err
}

func (s *Service) getUser(ctx context.Context, c token.Claims) (tenantdb.User, error) {
	return s.queries.GetUser(ctx, s.Directory.As(pg.Caller(c, false)), tenantdb.GetUserParams{
		TenantID: c.Tenant, ID: c.UserID,
	})
}

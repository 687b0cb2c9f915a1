package auth

import (
	"context"
	"encoding/hex"
	"log/slog"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"gatehouse/backend/internal/announce"
	"gatehouse/backend/internal/field"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/placement"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/trail"
	"gatehouse/internal/problem"
	"gatehouse/internal/token"
)

// Login checks a password and opens a session. Every failure is one answer,
// after about the same work; after too many of them the right password fails
// too. Sessions that there are go on.
func (s *Service) Login(ctx context.Context, in LoginRequest, by trail.Origin) (Pair, error) {
	tenant, err := s.Directory.Find(ctx, in.TenantID)
	if problem.Is(err, problem.NotFound) {
		return Pair{}, s.refuseTenant(ctx, in.Password)
	}
	if err != nil {
		return Pair{}, err
	}
	var pair Pair
	err = steady(func() error {
		pair, err = s.tryLogin(ctx, tenant, in, by)
		return err
	})
	return pair, err
}

// refuseTenant hides, by its duration, that there was nothing to verify.
func (s *Service) refuseTenant(ctx context.Context, pw string) error {
	if err := s.Hasher.VerifyNothing(ctx, pw); err != nil {
		return err
	}
	loginsUnknownTenant.Inc()
	return problem.New(problem.InvalidCredentials)
}

// login is a sign-in under way.
type login struct {
	tenant   placement.Tenant
	by       trail.Origin
	counters []counter
	found    tenantdb.User // zero when there is none
	matches  bool          // the password is the found user's

	// What is decided.
	user    tenantdb.User // as it is then
	outcome string
	reached []limit // by this failure
	session uuid.UUID
	refresh string
	ended   []tenantdb.RevokeOtherSessionsRow // the user's older sessions
}

// tryLogin looks at the counters after the password, and never before: whoever
// is held back is refused after the same work.
func (s *Service) tryLogin(ctx context.Context, tenant placement.Tenant, in LoginRequest, by trail.Origin) (Pair, error) {
	l := login{tenant: tenant, by: by}
	outdated := false
	var err error
	l.found, err = s.findUser(ctx, tenant.ID, in.UsernameOrEmail)
	switch {
	case err == nil:
		l.matches, outdated, err = s.verify(ctx, in.Password, l.found, by)
	case problem.Is(err, problem.NotFound):
		err = s.Hasher.VerifyNothing(ctx, in.Password)
	case problem.Is(err, problem.Unauthenticated): // suspended since it was found
		return Pair{}, s.refuseTenant(ctx, in.Password)
	}
	if err != nil {
		return Pair{}, err
	}
	l.counters = loginCounters(l.found.ID, in.UsernameOrEmail, by.IP)
	err = s.Directory.InTx(ctx, pg.Scope{Tenant: tenant.ID, Write: true}, func(tx tenantdb.DBTX) error {
		return s.decide(ctx, tx, &l)
	})
	if problem.Is(err, problem.Unauthenticated) {
		loginsUnknownTenant.Inc()
		return Pair{}, problem.Wrap(problem.InvalidCredentials, err)
	}
	if err != nil {
		return Pair{}, err
	}
	s.Announcer.Sessions(ctx, l.ended)
	logins[l.outcome].Inc()
	for _, limit := range l.reached {
		trail.Security(s.Log, trail.Backoff, s.TenantHash(tenant.ID), by, slog.String("limit", limit.name))
	}
	if l.outcome != outcomeOK {
		return Pair{}, problem.New(problem.InvalidCredentials)
	}
	if outdated {
		s.rehash(ctx, l.found, in.Password, by)
	}
	return s.pair(token.Claims{
		UserID: l.user.ID, Tenant: tenant.ID, Username: l.user.Username, Session: l.session, Role: token.Role(l.user.Role),
	}, l.refresh)
}

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

// decide settles the outcome of a login and stores what follows from it. Logins
// under one identifier take turns here, so of many parallel guesses none is
// right after the limit was reached.
func (s *Service) decide(ctx context.Context, tx tenantdb.DBTX, l *login) error {
	l.reached, l.ended = nil, nil
	tenant := l.tenant.ID
	if err := s.queries.LockLogins(ctx, tx, tenant+" "+hex.EncodeToString(l.counters[0].key)); err != nil {
		return err
	}
	wait, err := s.holdOff(ctx, tx, tenant, l.counters...)
	if err != nil {
		return err
	}
	l.user, err = s.queries.GetUserForLogin(ctx, tx, tenantdb.GetUserForLoginParams{TenantID: tenant, ID: l.found.ID})
	if err != nil && !problem.Is(err, problem.NotFound) {
		return err
	}
	switch {
	case wait > 0:
		l.outcome = outcomeBackoff
	case l.user.ID == uuid.Nil:
		l.outcome = outcomeUnknownUser
	case !l.matches:
		l.outcome = outcomeBadPassword
	case l.user.PasswordHash != l.found.PasswordHash:
		return errHashChanged
	case !l.user.Active || !token.Role(l.user.Role).ValidIn(tenant): // as the owner of a dedicated database may make it
		l.outcome = outcomeInactive
	default:
		l.outcome = outcomeOK
	}
	if err := s.recordLogin(ctx, tx, l); err != nil {
		return err
	}
	switch l.outcome {
	case outcomeBackoff:
		return nil
	case outcomeOK:
		return s.openSession(ctx, tx, l)
	}
	return s.fail(ctx, tx, l)
}

// recordLogin keeps the event of a login.
func (s *Service) recordLogin(ctx context.Context, tx tenantdb.DBTX, l *login) error {
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	event := tenantdb.CreateLoginEventParams{
		TenantID: l.tenant.ID, ID: id, Outcome: l.outcome, IP: l.by.IP, UserAgent: l.by.UserAgent,
	}
	if l.user.ID != uuid.Nil {
		event.UserID = &l.user.ID
	}
	return s.queries.CreateLoginEvent(ctx, tx, event)
}

// fail counts a failed login.
func (s *Service) fail(ctx context.Context, tx tenantdb.DBTX, l *login) (err error) {
	if l.reached, err = s.countFailure(ctx, tx, l.tenant.ID, l.counters...); err != nil {
		return err
	}
	for _, limit := range l.reached {
		entry := trail.Entry{Action: trail.LoginBackoff, Details: map[string]string{
			"limit": limit.name, "failures": strconv.Itoa(int(limit.most)),
		}}
		if l.user.ID != uuid.Nil {
			entry.Target = l.user.ID.String()
		}
		if err := trail.Record(ctx, tx, l.tenant.ID, l.by, entry); err != nil {
			return err
		}
	}
	return nil
}

// openSession stores a session and its first refresh token; the access token is
// made once they are committed.
func (s *Service) openSession(ctx context.Context, tx tenantdb.DBTX, l *login) (err error) {
	tenant, now := l.tenant.ID, s.Now()
	if l.session, err = uuid.NewV7(); err != nil {
		return err
	}
	if err := s.forget(ctx, tx, tenant, l.counters[1]); err != nil {
		return err
	}
	if l.tenant.SingleSession {
		l.ended, err = s.queries.RevokeOtherSessions(ctx, tx, tenantdb.RevokeOtherSessionsParams{
			TenantID: tenant, UserID: l.user.ID, KeepID: l.session, Reason: "replaced", WindowSeconds: announce.Window.Seconds(),
		})
		if err != nil {
			return err
		}
	}
	if err := s.queries.CreateSession(ctx, tx, tenantdb.CreateSessionParams{
		TenantID: tenant, ID: l.session, UserID: l.user.ID, IP: l.by.IP, UserAgent: l.by.UserAgent,
		ExpiresAt: now.Add(sessionLifetime),
	}); err != nil {
		return err
	}
	refresh, hash := newRefreshToken(tenant)
	l.refresh = refresh
	return s.queries.CreateRefreshToken(ctx, tx, tenantdb.CreateRefreshTokenParams{
		TenantID: tenant, Hash: hash, SessionID: l.session, ExpiresAt: now.Add(refreshLifetime),
	})
}

// rehash stores the password under today's kind and cost. A failure is no
// reason to refuse the login.
func (s *Service) rehash(ctx context.Context, user tenantdb.User, pw string, by trail.Origin) {
	hash, err := s.Hasher.Hash(ctx, pw)
	if err == nil {
		db := s.Directory.As(pg.Scope{Tenant: user.TenantID, Write: true})
		err = s.queries.SetPasswordHash(ctx, db, tenantdb.SetPasswordHashParams{
			PasswordHash: hash, TenantID: user.TenantID, ID: user.ID, OldHash: user.PasswordHash,
		})
	}
	if err != nil {
		s.Log.Warn("password not rehashed", "cause", err, "request_id", by.RequestID)
	}
}

package auth

import (
	"context"

	"gatehouse/backend/internal/announce"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/trail"
	"gatehouse/internal/problem"
)

// ChangePassword sets the password of the signed-in user, who has to know the
// current one, and ends its other sessions. Wrong ones are counted: somebody
// with a stolen token must not find the password by trying.
func (s *Service) ChangePassword(ctx context.Context, in PasswordRequest, by trail.Origin) error {
	return steady(func() error { return s.tryChangePassword(ctx, in, by) })
}

// tryChangePassword computes both hashes whatever comes of it, so that time does
// not tell whether a password was right that is refused by the limit.
func (s *Service) tryChangePassword(ctx context.Context, in PasswordRequest, by trail.Origin) error {
	user, err := s.getUser(ctx, by.Claims)
	if err != nil {
		return err
	}
	matches, _, err := s.verify(ctx, in.CurrentPassword, user, by)
	if err != nil {
		return err
	}
	hash, err := s.Hasher.Hash(ctx, in.NewPassword)
	if err != nil {
		return err
	}
	var changed passwordChange
	err = s.Directory.InTx(ctx, pg.Caller(by.Claims, true), func(tx tenantdb.DBTX) error {
		changed, err = s.setPassword(ctx, tx, user, matches, hash, by)
		return err
	})
	if err != nil {
		return err
	}
	s.Announcer.Sessions(ctx, changed.ended)
	if changed.wrong {
		return &problem.Error{Code: problem.ValidationFailed, Fields: []problem.Field{
			{Name: "/current_password", Code: "incorrect", Message: "is not your current password"},
		}}
	}
	return nil
}

// passwordChange is what came of a change of password.
type passwordChange struct {
	// wrong says that the current password was not given, and nothing changed.
	wrong bool
	ended []tenantdb.RevokeOtherSessionsRow // the user's other sessions
}

// setPassword stores the new hash, or counts that the current password was
// wrong. Changes of one user's password take turns here.
func (s *Service) setPassword(ctx context.Context, tx tenantdb.DBTX, verified tenantdb.User, matches bool, hash string, by trail.Origin) (c passwordChange, err error) {
	tenant := verified.TenantID
	user, err := s.queries.LockUser(ctx, tx, tenantdb.LockUserParams{TenantID: tenant, ID: verified.ID})
	if err != nil {
		return c, err
	}
	tries := newCounter(byUser, user.ID.String())
	wait, err := s.holdOff(ctx, tx, tenant, tries)
	switch {
	case err != nil:
		return c, err
	case wait > 0:
		p := problem.Newf(problem.RateLimited, "The limit %q is used up; see the Retry-After header.", byUser.name)
		p.RetryAfter = wait
		return c, p
	case user.PasswordHash != verified.PasswordHash:
		return c, errHashChanged
	case !matches:
		_, err := s.countFailure(ctx, tx, tenant, tries)
		c.wrong = true
		return c, err
	}
	if err := s.forget(ctx, tx, tenant, tries); err != nil {
		return c, err
	}
	if err := s.queries.ChangePassword(ctx, tx, tenantdb.ChangePasswordParams{TenantID: tenant, ID: user.ID, PasswordHash: hash}); err != nil {
		return c, err
	}
	c.ended, err = s.queries.RevokeOtherSessions(ctx, tx, tenantdb.RevokeOtherSessionsParams{
		TenantID: tenant, UserID: user.ID, KeepID: by.Claims.Session, Reason: "password", WindowSeconds: announce.Window.Seconds(),
	})
	if err != nil {
		return c, err
	}
	return c, trail.Record(ctx, tx, tenant, by, trail.Entry{Action: trail.UserPassword, Target: user.ID.String()})
}

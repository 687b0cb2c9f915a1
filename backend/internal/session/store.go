package session

import (
	"context"
	"strconv"

	"github.com/google/uuid"

	"gatehouse/backend/internal/announce"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/trail"
	"gatehouse/internal/token"
)

// list returns up to limit live sessions of a user after a position. A user
// that does not exist is not found.
func (s *Service) list(ctx context.Context, c token.Claims, desc bool, after position, limit int32) ([]tenantdb.Session, error) {
	db := s.Directory.As(pg.Caller(c, false))
	if err := s.find(ctx, db, c, after.User); err != nil {
		return nil, err
	}
	p := tenantdb.ListSessionsByCreatedParams{
		TenantID: c.Tenant, UserID: after.User, AfterCreatedAt: after.Created, AfterID: after.ID, RowLimit: limit,
	}
	if desc {
		return s.queries.ListSessionsByCreatedDesc(ctx, db, tenantdb.ListSessionsByCreatedDescParams(p))
	}
	return s.queries.ListSessionsByCreated(ctx, db, p)
}

// find reports whether there is such a user. The caller is there.
func (s *Service) find(ctx context.Context, db tenantdb.DBTX, c token.Claims, user uuid.UUID) error {
	if user == c.UserID {
		return nil
	}
	_, err := s.queries.GetUser(ctx, db, tenantdb.GetUserParams{TenantID: c.Tenant, ID: user})
	return err
}

// end ends one of the caller's own sessions, and with it its refresh tokens.
// Any other one, or one that has ended already, is not found.
func (s *Service) end(ctx context.Context, by trail.Origin, session uuid.UUID) error {
	c := by.Claims
	var ended tenantdb.RevokeSessionRow
	err := s.Directory.InTx(ctx, pg.Caller(c, true), func(tx tenantdb.DBTX) (err error) {
		ended, err = s.queries.RevokeSession(ctx, tx, tenantdb.RevokeSessionParams{
			TenantID: c.Tenant, ID: session, UserID: c.UserID, Reason: reasonLogout, WindowSeconds: announce.Window.Seconds(),
		})
		if err != nil {
			return err
		}
		return trail.Record(ctx, tx, c.Tenant, by, trail.Entry{
			Action: trail.SessionEnd, Target: session.String(),
			Details: map[string]string{"reason": reasonLogout, "user": c.UserID.String()},
		})
	})
	if err == nil {
		s.Announcer.Session(ctx, ended)
	}
	return err
}

// endAll ends all sessions of a user. When there are none, nothing has changed
// and nothing is recorded.
func (s *Service) endAll(ctx context.Context, by trail.Origin, user uuid.UUID) error {
	c := by.Claims
	reason := reasonLogoutAll
	if user != c.UserID {
		reason = reasonAdmin
	}
	var ended []tenantdb.RevokeOtherSessionsRow
	err := s.Directory.InTx(ctx, pg.Caller(c, true), func(tx tenantdb.DBTX) error {
		if err := s.find(ctx, tx, c, user); err != nil {
			return err
		}
		var err error
		ended, err = s.queries.RevokeOtherSessions(ctx, tx, tenantdb.RevokeOtherSessionsParams{
			TenantID: c.Tenant, UserID: user, KeepID: uuid.Nil, Reason: reason, WindowSeconds: announce.Window.Seconds(),
		})
		if err != nil || len(ended) == 0 {
			return err
		}
		return trail.Record(ctx, tx, c.Tenant, by, trail.Entry{
			Action: trail.SessionEndAll, Target: user.String(),
			Details: map[string]string{"reason": reason, "sessions": strconv.Itoa(len(ended))},
		})
	})
	if err == nil {
		s.Announcer.Sessions(ctx, ended)
	}
	return err
}

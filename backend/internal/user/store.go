package user

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"gatehouse/backend/internal/account"
	"gatehouse/backend/internal/announce"
	"gatehouse/backend/internal/field"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/internal/problem"
	"gatehouse/internal/token"
)

func (s *Service) db(c token.Claims) tenantdb.DBTX { return s.Directory.As(pg.Caller(c, false)) }

func (s *Service) inTx(ctx context.Context, c token.Claims, fn func(tx tenantdb.DBTX) error) error {
	return s.Directory.InTx(ctx, pg.Caller(c, true), fn)
}

func (s *Service) get(ctx context.Context, c token.Claims, id uuid.UUID) (tenantdb.User, error) {
	return s.queries.GetUser(ctx, s.db(c), tenantdb.GetUserParams{TenantID: c.Tenant, ID: id})
}

// lock returns a user that nobody else changes before the transaction ends.
// Loses says whether the change that follows takes one from the active admins,
// which is refused for the last one.
func (s *Service) lock(ctx context.Context, tx tenantdb.DBTX, tenant string, id uuid.UUID, match []int64,
	loses func(tenantdb.User) bool,
) (tenantdb.User, error) {
	u, err := s.queries.GetUser(ctx, tx, tenantdb.GetUserParams{TenantID: tenant, ID: id})
	if err != nil {
		return u, err
	}
	if loses(u) {
		// Before the user itself, so that all that do this lock in one order.
		if _, err := s.lockAdmins(ctx, tx, tenant); err != nil {
			return u, err
		}
	}
	if u, err = s.queries.LockUser(ctx, tx, tenantdb.LockUserParams{TenantID: tenant, ID: id}); err != nil {
		return u, err
	}
	if match != nil && !slices.Contains(match, u.Version) {
		return u, problem.New(problem.PreconditionFailed)
	}
	if !loses(u) {
		return u, nil
	}
	// Again: the user may have become an admin meanwhile.
	admins, err := s.lockAdmins(ctx, tx, tenant)
	if err != nil {
		return u, err
	}
	if !slices.ContainsFunc(admins, func(admin uuid.UUID) bool { return admin != id }) {
		return u, errLastAdmin
	}
	return u, nil
}

func (s *Service) lockAdmins(ctx context.Context, tx tenantdb.DBTX, tenant string) ([]uuid.UUID, error) {
	return s.queries.LockActiveUsersOfRole(ctx, tx, tenantdb.LockActiveUsersOfRoleParams{
		TenantID: tenant, Role: string(adminRole(tenant)),
	})
}

func (s *Service) store(ctx context.Context, tx tenantdb.DBTX, u tenantdb.User, in Fields) (tenantdb.User, error) {
	after, err := s.queries.UpdateUser(ctx, tx, tenantdb.UpdateUserParams{
		TenantID:    u.TenantID,
		ID:          u.ID,
		Username:    in.Username,
		UsernameKey: field.Fold(in.Username),
		Email:       in.Email,
		EmailKey:    field.Fold(in.Email),
		Role:        in.roleOf(u),
		Active:      in.Active,
	})
	return after, account.Taken(err, in.Username)
}

// Reasons that a session keeps for having ended.
const (
	reasonDeactivated = "deactivated"
	reasonRole        = "role"
	reasonDeleted     = "deleted"
)

// reasonFor is why an update ends the user's sessions: it was deactivated or got
// another role. It is "" when they go on.
func reasonFor(before, after tenantdb.User) string {
	switch {
	case before.Active && !after.Active:
		return reasonDeactivated
	case before.Role != after.Role:
		return reasonRole
	}
	return ""
}

// endSessions ends all sessions of a user, if there is a reason.
func (s *Service) endSessions(ctx context.Context, tx tenantdb.DBTX, u tenantdb.User, reason string) ([]tenantdb.RevokeOtherSessionsRow, error) {
	if reason == "" {
		return nil, nil
	}
	return s.queries.RevokeOtherSessions(ctx, tx, tenantdb.RevokeOtherSessionsParams{
		TenantID: u.TenantID, UserID: u.ID, KeepID: uuid.Nil, Reason: reason, WindowSeconds: announce.Window.Seconds(),
	})
}

// voidInvitations takes back what somebody invited to who may do so no more: it
// would be a way back in.
func (s *Service) voidInvitations(ctx context.Context, tx tenantdb.DBTX, u tenantdb.User) error {
	return s.queries.VoidInvitationsOf(ctx, tx, tenantdb.VoidInvitationsOfParams{TenantID: u.TenantID, CreatedBy: &u.ID})
}

// list returns up to limit users after a position. Each order has a query of
// its own, so that it can use its index.
func (s *Service) list(ctx context.Context, c token.Claims, sort string, desc bool, after position, f Filter, limit int32) ([]tenantdb.User, error) {
	created := tenantdb.ListUsersByCreatedParams{
		TenantID: c.Tenant, AfterCreatedAt: after.Created, AfterID: after.ID,
		Pattern: f.Pattern, Role: f.Role, Active: f.Active, RowLimit: limit,
	}
	username := tenantdb.ListUsersByUsernameParams{
		TenantID: c.Tenant, AfterUsernameKey: after.Username,
		Pattern: f.Pattern, Role: f.Role, Active: f.Active, RowLimit: limit,
	}
	switch {
	case sort == byUsername && desc && after.Username == "":
		return s.queries.ListLastUsersByUsername(ctx, s.db(c), tenantdb.ListLastUsersByUsernameParams{
			TenantID: c.Tenant, Pattern: f.Pattern, Role: f.Role, Active: f.Active, RowLimit: limit,
		})
	case sort == byUsername && desc:
		return s.queries.ListUsersByUsernameDesc(ctx, s.db(c), tenantdb.ListUsersByUsernameDescParams(username))
	case sort == byUsername:
		return s.queries.ListUsersByUsername(ctx, s.db(c), username)
	case desc:
		return s.queries.ListUsersByCreatedDesc(ctx, s.db(c), tenantdb.ListUsersByCreatedDescParams(created))
	default:
		return s.queries.ListUsersByCreated(ctx, s.db(c), created)
	}
}

// listLogins returns up to limit sign-ins of a user after a position.
func (s *Service) listLogins(ctx context.Context, c token.Claims, user uuid.UUID, desc bool, after position, limit int32) ([]tenantdb.LoginEvent, error) {
	p := tenantdb.ListLoginsOfUserParams{
		TenantID: c.Tenant, UserID: user, AfterCreatedAt: after.Created, AfterID: after.ID, RowLimit: limit,
	}
	var rows []tenantdb.LoginEvent
	var err error
	if desc {
		rows, err = s.queries.ListLoginsOfUserDesc(ctx, s.db(c), tenantdb.ListLoginsOfUserDescParams(p))
	} else {
		rows, err = s.queries.ListLoginsOfUser(ctx, s.db(c), p)
	}
	if err == nil && len(rows) == 0 {
		_, err = s.get(ctx, c, user) // tells a user who never signed in from none
	}
	return rows, err
}

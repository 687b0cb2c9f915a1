// Package user lets admins manage the users of their tenant and invite others,
// and lets everybody see and change their own record.
package user

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"gatehouse/backend/internal/account"
	"gatehouse/backend/internal/announce"
	"gatehouse/backend/internal/cache"
	"gatehouse/backend/internal/field"
	"gatehouse/backend/internal/password"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/placement"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/trail"
	"gatehouse/internal/problem"
	"gatehouse/internal/token"
)

// Service holds the rules of users and invitations.
type Service struct {
	Directory *placement.Directory
	Announcer *announce.Announcer
	Cache     *cache.Cache
	// Maint reaches the main database for what operators do.
	Maint  *pg.DB
	Hasher *password.Hasher
	// TenantHash is what stands for a tenant in logs.
	TenantHash func(tenant string) string
	Now        func() time.Time
	Log        *slog.Logger

	queries tenantdb.Queries
}

// NewUser is the body of a user to be made.
type NewUser struct {
	Username string  `json:"username"`
	Email    string  `json:"email"`
	Password string  `json:"password"`
	Role     *string `json:"role,omitzero"`
	Active   *bool   `json:"active,omitzero"`
}

// check returns the account to be made in the tenant.
func (in NewUser) check(tenant string) (account.New, error) {
	u := account.New{
		Tenant: tenant, Username: in.Username, Email: in.Email, Password: in.Password,
		Role: rolesIn(tenant)[0], Inactive: in.Active != nil && !*in.Active,
	}
	var c field.Checker
	u.Check(&c)
	checkRole(&c, tenant, in.Role)
	if in.Role != nil {
		u.Role = token.Role(*in.Role)
	}
	return u, c.Err()
}

// Fields is the body of an update. Without a role it stays as it is.
type Fields struct {
	Username string  `json:"username"`
	Email    string  `json:"email"`
	Active   bool    `json:"active"`
	Role     *string `json:"role,omitzero"`
}

func (in *Fields) check(tenant string) error {
	var c field.Checker
	c.Username("/username", &in.Username)
	c.Email("/email", &in.Email)
	checkRole(&c, tenant, in.Role)
	return c.Err()
}

// roleOf is the role of the user after the update.
func (in *Fields) roleOf(u tenantdb.User) string {
	if in.Role != nil {
		return *in.Role
	}
	return u.Role
}

// rolesIn lists the roles that users of a tenant can have, the default first.
func rolesIn(tenant string) []token.Role {
	if tenant == token.PlatformTenant {
		return []token.Role{token.Operator}
	}
	return []token.Role{token.Member, token.Admin}
}

func checkRole(c *field.Checker, tenant string, role *string) {
	roles := rolesIn(tenant)
	if role == nil || slices.Contains(roles, token.Role(*role)) {
		return
	}
	names := make([]string, len(roles))
	for i, r := range roles {
		names[i] = string(r)
	}
	c.Add("/role", "invalid_value", "must be %s", strings.Join(names, " or "))
}

// adminRole is the role of those who administer a tenant.
func adminRole(tenant string) token.Role {
	if tenant == token.PlatformTenant {
		return token.Operator
	}
	return token.Admin
}

func administers(u tenantdb.User) bool {
	return u.Active && u.Role == string(adminRole(u.TenantID))
}

func isAdmin(c token.Claims) bool { return c.Role.Satisfies(token.Admin) }

// Update changes a user. Match are the versions that it may have now, nil for
// any. Who is no admin changes its own record, and neither role nor activity.
func (s *Service) Update(ctx context.Context, by trail.Origin, id uuid.UUID, match []int64, in Fields) (tenantdb.User, error) {
	var before, after tenantdb.User
	var ended []tenantdb.RevokeOtherSessionsRow
	err := s.inTx(ctx, by.Claims, func(tx tenantdb.DBTX) (err error) {
		loses := func(u tenantdb.User) bool {
			then := tenantdb.User{TenantID: u.TenantID, Role: in.roleOf(u), Active: in.Active}
			return administers(u) && !administers(then)
		}
		if before, err = s.lock(ctx, tx, by.Claims.Tenant, id, match, loses); err != nil {
			return err
		}
		if !isAdmin(by.Claims) && (in.Active != before.Active || in.roleOf(before) != before.Role) {
			return problem.New(problem.Forbidden)
		}
		if after, err = s.store(ctx, tx, before, in); err != nil {
			return err
		}
		if ended, err = s.endSessions(ctx, tx, after, reasonFor(before, after)); err != nil {
			return err
		}
		if administers(before) && !administers(after) {
			if err := s.voidInvitations(ctx, tx, after); err != nil {
				return err
			}
		}
		for _, e := range entries(before, after) {
			if err := trail.Record(ctx, tx, after.TenantID, by, e); err != nil {
				return err
			}
		}
		return nil
	})
	s.Cache.Wrote(ctx, by.Claims.Tenant, cache.Users, err)
	if err != nil {
		return tenantdb.User{}, err
	}
	s.Announcer.Sessions(ctx, ended)
	if after.Role != before.Role {
		trail.Security(s.Log, trail.RoleChange, s.TenantHash(after.TenantID), by,
			slog.String("user", id.String()), slog.String("from", before.Role), slog.String("to", after.Role))
	}
	return after, nil
}

// entries are the lines of the audit trail that tell of an update.
func entries(before, after tenantdb.User) []trail.Entry {
	var list []trail.Entry
	add := func(a trail.Action, details map[string]string) {
		list = append(list, trail.Entry{Action: a, Target: after.ID.String(), Details: details})
	}
	if after.Role != before.Role {
		add(trail.UserRole, map[string]string{"from": before.Role, "to": after.Role})
	}
	switch {
	case after.Active && !before.Active:
		add(trail.UserActivate, nil)
	case !after.Active && before.Active:
		add(trail.UserDeactivate, nil)
	}
	var fields []string
	if after.Username != before.Username {
		fields = append(fields, "username")
	}
	if after.Email != before.Email {
		fields = append(fields, "email")
	}
	switch {
	case len(fields) > 0:
		add(trail.UserUpdate, map[string]string{"fields": strings.Join(fields, " ")})
	case len(list) == 0:
		add(trail.UserUpdate, nil) // the version is another one all the same
	}
	return list
}

// Delete removes a user and with it its sessions; its sign-ins stay, nobody's.
func (s *Service) Delete(ctx context.Context, by trail.Origin, id uuid.UUID, match []int64) error {
	var ended []tenantdb.RevokeOtherSessionsRow
	err := s.inTx(ctx, by.Claims, func(tx tenantdb.DBTX) error {
		u, err := s.lock(ctx, tx, by.Claims.Tenant, id, match, administers)
		if err != nil {
			return err
		}
		if ended, err = s.endSessions(ctx, tx, u, reasonDeleted); err != nil {
			return err
		}
		if err := s.voidInvitations(ctx, tx, u); err != nil {
			return err
		}
		if err := s.queries.DeleteUser(ctx, tx, tenantdb.DeleteUserParams{TenantID: u.TenantID, ID: u.ID}); err != nil {
			return err
		}
		return trail.Record(ctx, tx, u.TenantID, by, trail.Entry{
			Action: trail.UserDelete, Target: u.ID.String(), Details: map[string]string{"username": u.Username, "role": u.Role},
		})
	})
	s.Cache.Wrote(ctx, by.Claims.Tenant, cache.Users, err)
	if err == nil {
		s.Announcer.Sessions(ctx, ended)
	}
	return err
}

// errLastAdmin says that nobody would be left to administer the tenant.
var errLastAdmin = problem.Newf(problem.InvalidState, "This is the last active admin; make another one first.")

package auth

import (
	"context"

	"gatehouse/backend/internal/field"
	"gatehouse/backend/internal/password"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/internal/problem"
	"gatehouse/internal/token"
)

// NewUser is a user to be made.
type NewUser struct {
	Tenant   string
	Username string
	Email    string
	Password string
	Role     token.Role
}

// check holds the fields against their bounds; the findings' names are those
// of the sign-up body.
func (u *NewUser) check() error {
	var c field.Checker
	c.Username("/username", &u.Username)
	c.Email("/email", &u.Email)
	c.Password("/password", &u.Password)
	c.TenantID("/tenant_id", u.Tenant)
	return c.Err()
}

// Create makes a user. A name or address that is taken is a conflict.
func Create(ctx context.Context, db *pg.DB, hasher *password.Hasher, u NewUser) (tenantdb.User, error) {
	if err := u.check(); err != nil {
		return tenantdb.User{}, err
	}
	return create(ctx, db, hasher, u)
}

func create(ctx context.Context, db *pg.DB, hasher *password.Hasher, u NewUser) (tenantdb.User, error) {
	hash, err := hasher.Hash(ctx, u.Password)
	if err != nil {
		return tenantdb.User{}, err
	}
	id, err := newID()
	if err != nil {
		return tenantdb.User{}, err
	}
	var queries tenantdb.Queries
	user, err := queries.CreateUser(ctx, db.As(pg.Scope{Tenant: u.Tenant, Write: true}), tenantdb.CreateUserParams{
		TenantID:     u.Tenant,
		ID:           id,
		Username:     u.Username,
		UsernameKey:  field.Fold(u.Username),
		Email:        u.Email,
		EmailKey:     field.Fold(u.Email),
		PasswordHash: hash,
		Role:         string(u.Role),
	})
	if pg.Violates(err, "users_username_unique") || pg.Violates(err, "users_email_unique") {
		return user, problem.Newf(problem.Conflict, "User '%s' is already registered", u.Username)
	}
	return user, err
}

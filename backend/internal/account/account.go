// Package account holds what sign-up, the administration of users and the
// operator's commands share: the bounds of a user, how one is stored, and how
// clients see it.
package account

import (
	"context"

	"github.com/google/uuid"

	"gatehouse/backend/internal/field"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/web"
	"gatehouse/internal/problem"
	"gatehouse/internal/token"
)

// New is a user to be made.
type New struct {
	Tenant   string
	Username string
	Email    string
	Password string
	Role     token.Role
	Inactive bool
}

// Check holds the fields of a body against their bounds and adds what is wrong.
func (n *New) Check(c *field.Checker) {
	c.Username("/username", &n.Username)
	c.Email("/email", &n.Email)
	c.Password("/password", &n.Password)
}

var queries tenantdb.Queries

// Insert stores a user under a password hash. A name or address that is taken
// is a conflict, after which the transaction can only be rolled back.
func Insert(ctx context.Context, tx tenantdb.DBTX, n New, hash string) (tenantdb.User, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return tenantdb.User{}, err
	}
	user, err := queries.CreateUser(ctx, tx, tenantdb.CreateUserParams{
		TenantID:     n.Tenant,
		ID:           id,
		Username:     n.Username,
		UsernameKey:  field.Fold(n.Username),
		Email:        n.Email,
		EmailKey:     field.Fold(n.Email),
		PasswordHash: hash,
		Role:         string(n.Role),
		Active:       !n.Inactive,
	})
	return user, Taken(err, n.Username)
}

// Taken turns a violation of the uniqueness of names or addresses into the
// problem that says so.
func Taken(err error, username string) error {
	if pg.Violates(err, "users_username_unique") || pg.Violates(err, "users_email_unique") {
		return problem.Newf(problem.Conflict, "User '%s' is already registered", username)
	}
	return err
}

// User is a user as clients see it.
type User struct {
	ID        uuid.UUID `json:"id"`
	Username  string    `json:"username"`
	Email     string    `json:"email"`
	TenantID  string    `json:"tenant_id"`
	Role      string    `json:"role"`
	Active    bool      `json:"active"`
	CreatedAt web.Time  `json:"created_at"`
	UpdatedAt web.Time  `json:"updated_at"`
}

// View returns a user as clients see it.
func View(u tenantdb.User) User {
	return User{u.ID, u.Username, u.Email, u.TenantID, u.Role, u.Active, web.Time{Time: u.CreatedAt}, web.Time{Time: u.UpdatedAt}}
}

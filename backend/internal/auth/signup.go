package auth

import (
	"context"

	"gatehouse/backend/internal/account"
	"gatehouse/backend/internal/field"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/trail"
	"gatehouse/internal/problem"
	"gatehouse/internal/token"
)

// Modes of sign-up of a tenant.
const (
	signupInvite = "invite"
	signupOpen   = "open"
)

// Signup makes a user of a tenant: a member, or what its invitation says. A
// tenant that is unknown or closed, and whatever is wrong with an invitation,
// get one answer, after about the same work.
func (s *Service) Signup(ctx context.Context, u account.New, invite string, by trail.Origin) (tenantdb.User, error) {
	tenant, err := s.Directory.Find(ctx, u.Tenant)
	if err != nil && !problem.Is(err, problem.NotFound) {
		return tenantdb.User{}, err
	}
	open := err == nil && (tenant.Signup == signupOpen || tenant.Signup == signupInvite && invite != "")
	hash, err := s.Hasher.Hash(ctx, u.Password)
	if err != nil {
		return tenantdb.User{}, err
	}
	if !open {
		return tenantdb.User{}, problem.New(problem.SignupClosed)
	}
	var user tenantdb.User
	err = s.Directory.InTx(ctx, pg.Scope{Tenant: tenant.ID, Write: true}, func(tx tenantdb.DBTX) (err error) {
		if invite != "" {
			user, err = s.signupInvited(ctx, tx, u, hash, invite, by)
			return err
		}
		u.Role = token.Member
		user, err = s.addUser(ctx, tx, u, hash, by, nil)
		return err
	})
	if problem.Is(err, problem.Unauthenticated) { // suspended since it was found
		err = problem.Wrap(problem.SignupClosed, err)
	}
	return user, err
}

// signupInvited makes a user and spends the invitation. It is looked at before
// anything that could tell which users there are.
func (s *Service) signupInvited(ctx context.Context, tx tenantdb.DBTX, u account.New, hash, invite string, by trail.Origin) (tenantdb.User, error) {
	invitation, err := s.queries.LockInvitation(ctx, tx, tenantdb.LockInvitationParams{TenantID: u.Tenant, Hash: hashOf(invite)})
	switch {
	case problem.Is(err, problem.NotFound):
		return tenantdb.User{}, problem.Wrap(problem.SignupClosed, err)
	case err != nil:
		return tenantdb.User{}, err
	case invitation.EmailKey != nil && *invitation.EmailKey != field.Fold(u.Email):
		return tenantdb.User{}, problem.New(problem.SignupClosed)
	}
	u.Role = token.Role(invitation.Role)
	user, err := s.addUser(ctx, tx, u, hash, by, map[string]string{"invitation": invitation.ID.String()})
	if err != nil {
		return tenantdb.User{}, err
	}
	if err := s.queries.UseInvitation(ctx, tx, tenantdb.UseInvitationParams{
		TenantID: u.Tenant, ID: invitation.ID, UsedBy: &user.ID,
	}); err != nil {
		return tenantdb.User{}, err
	}
	return user, trail.Record(ctx, tx, u.Tenant, by, trail.Entry{
		Action: trail.InvitationUse, Target: invitation.ID.String(), Details: map[string]string{"user": user.ID.String()},
	})
}

func (s *Service) addUser(ctx context.Context, tx tenantdb.DBTX, u account.New, hash string, by trail.Origin, details map[string]string) (tenantdb.User, error) {
	user, err := account.Insert(ctx, tx, u, hash)
	if err != nil {
		return tenantdb.User{}, err
	}
	entry := trail.Entry{Action: trail.UserSignup, Target: user.ID.String(), Details: map[string]string{"role": user.Role}}
	for k, v := range details {
		entry.Details[k] = v
	}
	return user, trail.Record(ctx, tx, u.Tenant, by, entry)
}

package user

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"gatehouse/backend/internal/field"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/trail"
	"gatehouse/backend/internal/web"
	"gatehouse/internal/problem"
	"gatehouse/internal/token"
)

const (
	// inviteBytes is the size of an invitation's token.
	inviteBytes = 32
	// Lifetimes of invitations, in seconds.
	inviteMin     = 5 * 60
	inviteMax     = 30 * 24 * 3600
	inviteDefault = 7 * 24 * 3600
)

// NewInvitation is the body of an invitation.
type NewInvitation struct {
	Role      *string `json:"role,omitzero"`
	Email     *string `json:"email,omitzero"`
	ExpiresIn *int32  `json:"expires_in,omitzero"` // seconds
}

// check holds the fields against their bounds and fills in what is missing.
func (in *NewInvitation) check(role token.Role) error {
	var c field.Checker
	if in.Role == nil {
		in.Role = new(string)
		*in.Role = string(role)
	}
	checkRole(&c, "", in.Role) // those of any tenant but the platform
	if in.Email != nil {
		c.Email("/email", in.Email)
	}
	if in.ExpiresIn == nil {
		in.ExpiresIn = new(int32)
		*in.ExpiresIn = inviteDefault
	}
	c.Int("/expires_in", *in.ExpiresIn, inviteMin, inviteMax)
	return c.Err()
}

// Invitation is an invitation as clients see it.
type Invitation struct {
	ID        uuid.UUID  `json:"id"`
	Status    string     `json:"status"`
	Role      string     `json:"role"`
	Email     *string    `json:"email"`
	CreatedBy *uuid.UUID `json:"created_by"`
	CreatedAt web.Time   `json:"created_at"`
	ExpiresAt web.Time   `json:"expires_at"`
	UsedBy    *uuid.UUID `json:"used_by"`
	UsedAt    *web.Time  `json:"used_at"`
}

// Invited is a new invitation with its token, which is shown this once.
type Invited struct {
	Invitation
	Token string `json:"token"`
}

func (s *Service) viewInvitation(i tenantdb.Invitation) Invitation {
	v := Invitation{
		ID: i.ID, Status: "open", Role: i.Role, Email: i.Email, CreatedBy: i.CreatedBy, UsedBy: i.UsedBy,
		CreatedAt: web.Time{Time: i.CreatedAt}, ExpiresAt: web.Time{Time: i.ExpiresAt},
	}
	switch {
	case i.UsedAt != nil:
		v.Status, v.UsedAt = "used", &web.Time{Time: *i.UsedAt}
	case !s.Now().Before(i.ExpiresAt):
		v.Status = "expired"
	}
	return v
}

func positionOfInvitation(i tenantdb.Invitation) any { return position{Created: i.CreatedAt, ID: i.ID} }

// Invite makes an invitation to the caller's tenant. Operators are not made in
// this way.
func (s *Service) Invite(ctx context.Context, by trail.Origin, in NewInvitation) (Invited, error) {
	c := by.Claims
	var made Invited
	err := s.inTx(ctx, c, func(tx tenantdb.DBTX) error {
		if c.Tenant == token.PlatformTenant {
			return problem.New(problem.Forbidden)
		}
		_, err := s.queries.HoldUser(ctx, tx, tenantdb.HoldUserParams{TenantID: c.Tenant, ID: c.UserID})
		if problem.Is(err, problem.NotFound) {
			return problem.New(problem.Unauthenticated) // deleted since its session was looked at
		}
		if err != nil {
			return err
		}
		if made, err = s.storeInvitation(ctx, tx, c.Tenant, &c.UserID, in); err != nil {
			return err
		}
		return trail.Record(ctx, tx, c.Tenant, by, trail.Entry{
			Action: trail.InvitationCreate, Target: made.ID.String(), Details: map[string]string{"role": made.Role},
		})
	})
	return made, err
}

// InviteTo makes an invitation to another tenant on behalf of an operator. What
// the operator did is in the platform's trail; that of the tenant says only that
// it was one. The tenant's part comes first, without a connection to the main
// database being held meanwhile: the tenant's own may be slow to answer.
func (s *Service) InviteTo(ctx context.Context, by trail.Origin, tenant string, in NewInvitation) (Invited, error) {
	c := by.Claims
	_, err := s.queries.GetUser(ctx, s.Maint.As(pg.Caller(c, true)), tenantdb.GetUserParams{TenantID: c.Tenant, ID: c.UserID})
	if err != nil {
		return Invited{}, err // the session is not live
	}
	if tenant == token.PlatformTenant {
		return Invited{}, problem.New(problem.Forbidden)
	}
	if !field.ValidTenantID(tenant) {
		return Invited{}, problem.New(problem.NotFound)
	}
	if _, err := s.Directory.Find(ctx, tenant); err != nil {
		return Invited{}, err
	}
	var made Invited
	err = s.Directory.InTx(ctx, pg.Scope{Tenant: tenant, Write: true}, func(tx tenantdb.DBTX) (err error) {
		if made, err = s.storeInvitation(ctx, tx, tenant, nil, in); err != nil {
			return err
		}
		return trail.Record(ctx, tx, tenant, trail.Origin{RequestID: by.RequestID}, trail.Entry{
			Action: trail.InvitationCreate, Target: made.ID.String(),
			Details: map[string]string{"by": "operator", "role": made.Role},
		})
	})
	if err != nil {
		return Invited{}, err
	}
	err = s.Maint.InTx(ctx, pg.Scope{Tenant: c.Tenant, Write: true}, func(tx tenantdb.DBTX) error {
		return trail.Record(ctx, tx, c.Tenant, by, trail.Entry{
			Action: trail.InvitationCreate, Target: made.ID.String(),
			Details: map[string]string{"tenant_id": tenant, "role": made.Role},
		})
	})
	if err != nil {
		return Invited{}, err // nobody has seen the token, so nobody can use it
	}
	trail.Security(s.Log, trail.OperatorAction, s.TenantHash(tenant), by, slog.String("action", string(trail.InvitationCreate)))
	return made, nil
}

// Uninvite deletes an invitation, used or not.
func (s *Service) Uninvite(ctx context.Context, by trail.Origin, id uuid.UUID) error {
	tenant := by.Claims.Tenant
	return s.inTx(ctx, by.Claims, func(tx tenantdb.DBTX) error {
		n, err := s.queries.DeleteInvitation(ctx, tx, tenantdb.DeleteInvitationParams{TenantID: tenant, ID: id})
		if err != nil {
			return err
		}
		if n == 0 {
			return problem.New(problem.NotFound)
		}
		return trail.Record(ctx, tx, tenant, by, trail.Entry{Action: trail.InvitationDelete, Target: id.String()})
	})
}

func (s *Service) storeInvitation(ctx context.Context, tx tenantdb.DBTX, tenant string, creator *uuid.UUID, in NewInvitation) (Invited, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return Invited{}, err
	}
	secret := make([]byte, inviteBytes)
	rand.Read(secret) // never fails (crypto/rand)
	raw := base64.RawURLEncoding.EncodeToString(secret)
	hash := sha256.Sum256([]byte(raw))
	p := tenantdb.CreateInvitationParams{
		TenantID: tenant, ID: id, Hash: hash[:], Role: *in.Role, CreatedBy: creator,
		ExpiresAt: s.Now().Add(time.Duration(*in.ExpiresIn) * time.Second),
	}
	if in.Email != nil {
		key := field.Fold(*in.Email)
		p.Email, p.EmailKey = in.Email, &key
	}
	row, err := s.queries.CreateInvitation(ctx, tx, p)
	if err != nil {
		return Invited{}, err
	}
	return Invited{s.viewInvitation(row), raw}, nil
}

func (s *Service) listInvitations(ctx context.Context, c token.Claims, desc bool, after position, limit int32) ([]tenantdb.Invitation, error) {
	p := tenantdb.ListInvitationsParams{TenantID: c.Tenant, AfterCreatedAt: after.Created, AfterID: after.ID, RowLimit: limit}
	if desc {
		return s.queries.ListInvitationsDesc(ctx, s.db(c), tenantdb.ListInvitationsDescParams(p))
	}
	return s.queries.ListInvitations(ctx, s.db(c), p)
}

// HandleListInvitations answers GET /invitations.
func (s *Service) HandleListInvitations(r *web.Request) error {
	l := r.List(newestFirst)
	after := start(l.Desc)
	if err := l.Start(&after); err != nil {
		return err
	}
	rows, err := s.listInvitations(r.Context(), r.Caller, l.Desc, after, l.Limit+1)
	if err != nil {
		return err
	}
	return web.Page(l, rows, s.viewInvitation, positionOfInvitation)
}

// HandleInvite answers POST /invitations.
func (s *Service) HandleInvite(r *web.Request) error {
	in, err := invitation(r, token.Member)
	if err != nil {
		return err
	}
	made, err := s.Invite(r.Context(), r.Origin(), in)
	if err != nil {
		return err
	}
	return r.Answer(web.Answer{Status: 201, Message: "ok", Data: made})
}

// HandleInviteTo answers POST /admin/tenants/{id}/invitations.
func (s *Service) HandleInviteTo(r *web.Request) error {
	in, err := invitation(r, token.Admin)
	if err != nil {
		return err
	}
	made, err := s.InviteTo(r.Context(), r.Origin(), r.Path("id"), in)
	if err != nil {
		return err
	}
	return r.Answer(web.Answer{Status: 201, Message: "ok", Data: made})
}

// HandleUninvite answers DELETE /invitations/{id}.
func (s *Service) HandleUninvite(r *web.Request) error {
	id, err := r.PathUUID("id")
	if err != nil {
		return err
	}
	if err := s.Uninvite(r.Context(), r.Origin(), id); err != nil {
		return err
	}
	return r.OK("ok", web.Nothing{})
}

func invitation(r *web.Request, role token.Role) (NewInvitation, error) {
	var in NewInvitation
	if err := r.Decode(&in); err != nil {
		return in, err
	}
	return in, in.check(role)
}

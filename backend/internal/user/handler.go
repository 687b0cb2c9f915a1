package user

import (
	"github.com/google/uuid"

	"gatehouse/backend/internal/account"
	"gatehouse/backend/internal/field"
	"gatehouse/backend/internal/idempotency"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/trail"
	"gatehouse/backend/internal/web"
	"gatehouse/internal/problem"
	"gatehouse/internal/token"
)

// HandleList answers GET /users.
func (s *Service) HandleList(r *web.Request) error {
	l := r.List(byCreated, byUsername)
	f := Filter{
		Pattern: field.Containing(l.Text("q", 1, 100)),
		Role:    field.Given(l.Choice("role", string(token.Member), string(token.Admin), string(token.Operator))),
		Active:  l.Bool("active"),
	}
	after := start(l.Desc)
	if err := l.Start(&after); err != nil {
		return err
	}
	rows, err := s.list(r.Context(), r.Caller, l.Sort, l.Desc, after, f, l.Limit+1)
	if err != nil {
		return err
	}
	return web.Page(l, rows, account.View, positionOf)
}

// HandleCreate answers POST /users.
func (s *Service) HandleCreate(r *web.Request) error {
	var in NewUser
	if err := r.Decode(&in); err != nil {
		return err
	}
	u, err := in.check(r.Caller.Tenant)
	if err != nil {
		return err
	}
	// Outside the transaction: a hash takes long.
	hash, err := s.Hasher.Hash(r.Context(), u.Password)
	if err != nil {
		return err
	}
	return idempotency.Run(r, s.Directory, func(tx tenantdb.DBTX) (web.Answer, error) {
		user, err := account.Insert(r.Context(), tx, u, hash)
		if err != nil {
			return web.Answer{}, err
		}
		err = trail.Record(r.Context(), tx, u.Tenant, r.Origin(), trail.Entry{
			Action: trail.UserCreate, Target: user.ID.String(), Details: map[string]string{"role": user.Role},
		})
		a := answer(user)
		a.Status, a.Location = 201, "/api/v1/users/"+user.ID.String()
		return a, err
	})
}

// HandleGet answers GET /users/{id}.
func (s *Service) HandleGet(r *web.Request) error {
	id, err := ownOrAdmin(r)
	if err != nil {
		return err
	}
	u, err := s.get(r.Context(), r.Caller, id)
	if err != nil {
		return err
	}
	return r.Answer(answer(u))
}

// HandleUpdate answers PUT /users/{id}.
func (s *Service) HandleUpdate(r *web.Request) error {
	id, err := ownOrAdmin(r)
	if err != nil {
		return err
	}
	match, err := r.IfMatch()
	if err != nil {
		return err
	}
	var in Fields
	if err := r.Decode(&in); err != nil {
		return err
	}
	if err := in.check(r.Caller.Tenant); err != nil {
		return err
	}
	u, err := s.Update(r.Context(), r.Origin(), id, match, in)
	if err != nil {
		return err
	}
	return r.Answer(answer(u))
}

// HandleDelete answers DELETE /users/{id}.
func (s *Service) HandleDelete(r *web.Request) error {
	id, err := r.PathUUID("id")
	if err != nil {
		return err
	}
	if !isAdmin(r.Caller) {
		return problem.New(problem.Forbidden)
	}
	match, err := r.IfMatch()
	if err != nil {
		return err
	}
	if err := s.Delete(r.Context(), r.Origin(), id, match); err != nil {
		return err
	}
	return r.OK("ok", web.Nothing{})
}

// HandleLogins answers GET /users/{id}/logins.
func (s *Service) HandleLogins(r *web.Request) error {
	id, err := ownOrAdmin(r)
	if err != nil {
		return err
	}
	l := r.List(newestFirst)
	after := start(l.Desc)
	if err := l.Start(&after); err != nil {
		return err
	}
	rows, err := s.listLogins(r.Context(), r.Caller, id, l.Desc, after, l.Limit+1)
	if err != nil {
		return err
	}
	return web.Page(l, rows, viewLogin, positionOfLogin)
}

// ownOrAdmin returns the id of the path when it is the caller's own or the
// caller is an admin. Others learn nothing of who else there is.
func ownOrAdmin(r *web.Request) (uuid.UUID, error) {
	id, err := r.PathUUID("id")
	if err == nil && id != r.Caller.UserID && !isAdmin(r.Caller) {
		err = problem.New(problem.Forbidden)
	}
	return id, err
}

func answer(u tenantdb.User) web.Answer {
	return web.Answer{Message: "ok", Data: account.View(u), ETag: web.ETag(u.Version)}
}

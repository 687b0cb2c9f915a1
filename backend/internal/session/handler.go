package session

import (
	"github.com/google/uuid"

	"gatehouse/backend/internal/web"
	"gatehouse/internal/problem"
)

// HandleLogout answers POST /auth/logout.
func (s *Service) HandleLogout(r *web.Request) error {
	err := s.end(r.Context(), r.Origin(), r.Caller.Session)
	if problem.Is(err, problem.NotFound) { // another request has just ended it
		err = problem.Wrap(problem.Unauthenticated, err)
	}
	if err != nil {
		return err
	}
	return r.OK("Logout successfully", web.Nothing{})
}

// HandleLogoutAll answers POST /auth/logout-all.
func (s *Service) HandleLogoutAll(r *web.Request) error {
	if err := s.endAll(r.Context(), r.Origin(), r.Caller.UserID); err != nil {
		return err
	}
	return r.OK("Logout successfully", web.Nothing{})
}

// HandleListOwn answers GET /auth/sessions.
func (s *Service) HandleListOwn(r *web.Request) error { return s.answerList(r, r.Caller.UserID) }

// HandleEndOwn answers DELETE /auth/sessions/{id}.
func (s *Service) HandleEndOwn(r *web.Request) error {
	id, err := r.PathUUID("id")
	if err != nil {
		return err
	}
	if err := s.end(r.Context(), r.Origin(), id); err != nil {
		return err
	}
	return r.OK("ok", web.Nothing{})
}

// HandleList answers GET /users/{id}/sessions.
func (s *Service) HandleList(r *web.Request) error {
	user, err := managed(r)
	if err != nil {
		return err
	}
	return s.answerList(r, user)
}

// HandleEndAll answers DELETE /users/{id}/sessions.
func (s *Service) HandleEndAll(r *web.Request) error {
	user, err := managed(r)
	if err != nil {
		return err
	}
	if err := s.endAll(r.Context(), r.Origin(), user); err != nil {
		return err
	}
	return r.OK("ok", web.Nothing{})
}

// managed returns the user of the path, if the caller may manage its sessions.
func managed(r *web.Request) (uuid.UUID, error) {
	user, err := r.PathUUID("id")
	if err != nil {
		return uuid.Nil, err
	}
	return user, mayManage(r.Caller, user)
}

func (s *Service) answerList(r *web.Request, user uuid.UUID) error {
	l := r.List(byCreated)
	after := start(user, l.Desc)
	if err := l.Start(&after); err != nil {
		return err
	}
	if after.User != user { // the cursor is of another user's list
		return problem.New(problem.InvalidCursor)
	}
	rows, err := s.list(r.Context(), r.Caller, l.Desc, after, l.Limit+1)
	if err != nil {
		return err
	}
	return web.Page(l, rows, view(r.Caller), positionOf)
}

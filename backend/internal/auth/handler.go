package auth

import (
	"github.com/google/uuid"

	"gatehouse/backend/internal/account"
	"gatehouse/backend/internal/field"
	"gatehouse/backend/internal/web"
)

// SignupRequest is the body of a sign-up.
type SignupRequest struct {
	Username string `json:"username"`
	Email    string `json:"email"`
	Password string `json:"password"`
	TenantID string `json:"tenant_id"`
}

// LoginRequest is the body of a login.
type LoginRequest struct {
	UsernameOrEmail string `json:"username_or_email"`
	Password        string `json:"password"`
	TenantID        string `json:"tenant_id"`
}

func (in *LoginRequest) check() error {
	var c field.Checker
	c.Line("/username_or_email", &in.UsernameOrEmail, 1, 255)
	// Passwords are measured here, not judged: the rules for new ones may have
	// become stricter since.
	pw := in.Password
	c.Line("/password", &pw, 0, 128)
	if in.Password == "" {
		c.Add("/password", "blank", "must not be empty")
	}
	c.TenantID("/tenant_id", in.TenantID)
	return c.Err()
}

// RefreshRequest is the body of a refresh.
type RefreshRequest struct {
	RefreshToken string `json:"refresh_token"`
}

// Me is the signed-in user and its session.
type Me struct {
	ID           uuid.UUID `json:"id"`
	Username     string    `json:"username"`
	Email        string    `json:"email"`
	TenantID     string    `json:"tenant_id"`
	Role         string    `json:"role"`
	LoginSession uuid.UUID `json:"login_session"`
}

// HandleSignup answers POST /auth/signup.
func (s *Service) HandleSignup(r *web.Request) error {
	var in SignupRequest
	if err := r.Decode(&in); err != nil {
		return err
	}
	u := account.New{Tenant: in.TenantID, Username: in.Username, Email: in.Email, Password: in.Password}
	var c field.Checker
	u.Check(&c)
	c.TenantID("/tenant_id", u.Tenant)
	if err := c.Err(); err != nil {
		return err
	}
	user, err := s.Signup(r.Context(), u, r.Origin())
	if err != nil {
		return err
	}
	return r.Answer(web.Answer{Status: 201, Message: "Signup successfully", Data: account.View(user)})
}

// HandleLogin answers POST /auth/login.
func (s *Service) HandleLogin(r *web.Request) error {
	var in LoginRequest
	if err := r.Decode(&in); err != nil {
		return err
	}
	if err := in.check(); err != nil {
		return err
	}
	pair, err := s.Login(r.Context(), in, Client{r.ClientIP, r.UserAgent()})
	if err != nil {
		return err
	}
	return r.OK("Login successfully", pair)
}

// HandleRefresh answers POST /auth/refresh.
func (s *Service) HandleRefresh(r *web.Request) error {
	var in RefreshRequest
	if err := r.Decode(&in); err != nil {
		return err
	}
	pair, err := s.Refresh(r.Context(), in.RefreshToken)
	if err != nil {
		return err
	}
	return r.OK("ok", pair)
}

// HandleLogout answers POST /auth/logout.
func (s *Service) HandleLogout(r *web.Request) error {
	if err := s.Logout(r.Context(), r.Caller); err != nil {
		return err
	}
	return r.OK("Logout successfully", web.Nothing{})
}

// HandleMe answers GET /auth/me.
func (s *Service) HandleMe(r *web.Request) error {
	u, err := s.getUser(r.Context(), r.Caller)
	if err != nil {
		return err
	}
	return r.OK("ok", Me{u.ID, u.Username, u.Email, u.TenantID, u.Role, r.Caller.Session})
}

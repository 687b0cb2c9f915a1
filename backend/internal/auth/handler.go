package auth

import (
	"regexp"

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
	// InviteToken is the secret of an invitation.
	InviteToken *string `json:"invite_token,omitzero"`
}

func (in *SignupRequest) check() (account.New, error) {
	u := account.New{Tenant: in.TenantID, Username: in.Username, Email: in.Email, Password: in.Password}
	var c field.Checker
	u.Check(&c)
	c.TenantID("/tenant_id", u.Tenant)
	if in.InviteToken != nil && !inviteForm.MatchString(*in.InviteToken) {
		c.Add("/invite_token", "invalid_format", "must be 43 of A-Z a-z 0-9 _ -")
	}
	return u, c.Err()
}

// inviteForm is 256 random bits in base64url.
var inviteForm = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

// LoginRequest is the body of a login.
type LoginRequest struct {
	UsernameOrEmail string `json:"username_or_email"`
	Password        string `json:"password"`
	TenantID        string `json:"tenant_id"`
}

func (in *LoginRequest) check() error {
	var c field.Checker
	c.Line("/username_or_email", &in.UsernameOrEmail, 1, 255)
	givenPassword(&c, "/password", in.Password)
	c.TenantID("/tenant_id", in.TenantID)
	return c.Err()
}

// givenPassword measures a password that exists. It is not judged: the rules
// for new ones may have become stricter since.
func givenPassword(c *field.Checker, pointer, pw string) {
	line := pw
	c.Line(pointer, &line, 0, 128)
	if pw == "" {
		c.Add(pointer, "blank", "must not be empty")
	}
}

// RefreshRequest is the body of a refresh.
type RefreshRequest struct {
	RefreshToken string `json:"refresh_token"`
}

// PasswordRequest is the body of a change of password.
type PasswordRequest struct {
	CurrentPassword string `json:"current_password"`
	NewPassword     string `json:"new_password"`
}

func (in *PasswordRequest) check() error {
	var c field.Checker
	givenPassword(&c, "/current_password", in.CurrentPassword)
	c.Password("/new_password", &in.NewPassword)
	return c.Err()
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
	u, err := in.check()
	if err != nil {
		return err
	}
	invite := ""
	if in.InviteToken != nil {
		invite = *in.InviteToken
	}
	user, err := s.Signup(r.Context(), u, invite, r.Origin())
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
	pair, err := s.Login(r.Context(), in, r.Origin())
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
	pair, err := s.Refresh(r.Context(), in.RefreshToken, r.Origin())
	if err != nil {
		return err
	}
	return r.OK("ok", pair)
}

// HandlePassword answers POST /auth/password.
func (s *Service) HandlePassword(r *web.Request) error {
	var in PasswordRequest
	if err := r.Decode(&in); err != nil {
		return err
	}
	if err := in.check(); err != nil {
		return err
	}
	if err := s.ChangePassword(r.Context(), in, r.Origin()); err != nil {
		return err
	}
	return r.OK("ok", web.Nothing{})
}

// HandleMe answers GET /auth/me.
func (s *Service) HandleMe(r *web.Request) error {
	me, err := s.me(r.Context(), r.Caller)
	if err != nil {
		return err
	}
	return r.OK("ok", me)
}

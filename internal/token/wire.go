package token

import (
	"time"

	"github.com/go-json-experiment/json"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// wire is the JSON form of [Claims]; times are whole seconds of Unix time. It
// implements jwt.Claims.
type wire struct {
	Issuer    string           `json:"iss"`
	Audience  jwt.ClaimStrings `json:"aud"`
	Subject   string           `json:"sub"`
	Tenant    string           `json:"tenant_id"`
	User      string           `json:"user"`
	Session   string           `json:"login_session"`
	Role      Role             `json:"role"`
	IssuedAt  *int64           `json:"iat"`
	NotBefore *int64           `json:"nbf"`
	ExpiresAt *int64           `json:"exp"`
	ID        string           `json:"jti"`
}

// UnmarshalJSON implements json.Unmarshaler strictly: each claim once, under
// its exact name and of its own type. The jwt package's own decoding takes the
// last of two claims, any case of a name, and times given as text.
func (w *wire) UnmarshalJSON(b []byte) error {
	type plain wire // without this method
	return json.Unmarshal(b, (*plain)(w))
}

// claims checks what the jwt package does not know of.
func (w *wire) claims(now time.Time) (Claims, error) {
	user, userErr := uuid.Parse(w.Subject)
	session, sessionErr := uuid.Parse(w.Session)
	if userErr != nil || sessionErr != nil || w.ID == "" || w.IssuedAt == nil || w.NotBefore == nil ||
		*w.ExpiresAt > now.Add(MaxLifetime+Leeway).Unix() {
		return Claims{}, &Error{Malformed}
	}
	c := Claims{
		UserID:    user,
		Tenant:    w.Tenant,
		Username:  w.User,
		Session:   session,
		Role:      w.Role,
		ID:        w.ID,
		IssuedAt:  time.Unix(*w.IssuedAt, 0),
		ExpiresAt: time.Unix(*w.ExpiresAt, 0),
	}
	if !c.wellFormed() || !c.Role.ValidIn(c.Tenant) {
		return Claims{}, &Error{Malformed}
	}
	return c, nil
}

func (w *wire) GetExpirationTime() (*jwt.NumericDate, error) { return date(w.ExpiresAt), nil }
func (w *wire) GetIssuedAt() (*jwt.NumericDate, error)       { return date(w.IssuedAt), nil }
func (w *wire) GetNotBefore() (*jwt.NumericDate, error)      { return date(w.NotBefore), nil }
func (w *wire) GetIssuer() (string, error)                   { return w.Issuer, nil }
func (w *wire) GetSubject() (string, error)                  { return w.Subject, nil }
func (w *wire) GetAudience() (jwt.ClaimStrings, error)       { return w.Audience, nil }

func date(seconds *int64) *jwt.NumericDate {
	if seconds == nil {
		return nil
	}
	return &jwt.NumericDate{Time: time.Unix(*seconds, 0)}
}

// Package token is the only source of identity: it signs and verifies access
// tokens (JWT, RFC 7519) for both processes.
package token

import (
	"errors"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
)

// MaxBytes is the longest token that is looked at. Longer ones are malformed.
const MaxBytes = 4096

// Leeway is the clock skew that is tolerated between processes.
const Leeway = 30 * time.Second

// MaxLifetime is the longest that a token may live. One that claims more was
// not made by Sign, and could outlive what is known of revoked sessions.
const MaxLifetime = time.Hour

// PlatformTenant is the reserved tenant that operators, and nobody else, live
// in.
const PlatformTenant = "platform"

// Role says what a user may do.
type Role string

// The roles. A member uses its tenant, an admin also administers it, an
// operator runs the platform.
const (
	Member   Role = "member"
	Admin    Role = "admin"
	Operator Role = "operator"
)

// ValidIn reports whether users of this role can exist in the tenant. A
// customer who owns a dedicated database must not be able to mint an operator.
func (r Role) ValidIn(tenant string) bool {
	switch r {
	case Member, Admin:
		return tenant != PlatformTenant
	case Operator:
		return tenant == PlatformTenant
	}
	return false
}

// Satisfies reports whether a user of this role may do what asks for need; an
// empty need asks for nothing. An operator administers its own tenant, the
// platform, so it satisfies Admin there; it is in no other tenant.
func (r Role) Satisfies(need Role) bool {
	switch need {
	case "":
		return true
	case Admin:
		return r == Admin || r == Operator
	}
	return r == need
}

// Claims say who a caller is. All are required.
type Claims struct {
	UserID   uuid.UUID // sub
	Tenant   string    // tenant_id
	Username string    // user
	Session  uuid.UUID // login_session
	Role     Role      // role
	ID       string    // jti

	IssuedAt  time.Time // iat, also nbf; whole seconds
	ExpiresAt time.Time // exp; whole seconds
}

// maxUsername bounds the name of a user, in code points.
const maxUsername = 255

// tenantForm is what the databases demand of a tenant's id.
var tenantForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,35}$`)

// wellFormed reports whether all claims but the role and the ones that Sign sets
// are there and of a form that everything behind can take.
func (c *Claims) wellFormed() bool {
	return c.UserID != uuid.Nil && c.Session != uuid.Nil && tenantForm.MatchString(c.Tenant) &&
		c.Username != "" && utf8.ValidString(c.Username) && utf8.RuneCountInString(c.Username) <= maxUsername &&
		!strings.ContainsFunc(c.Username, unicode.IsControl)
}

// Kind says why a token was refused. Kinds are counted and logged; clients get
// one answer for all of them.
type Kind string

// The kinds of refusal.
const (
	Missing       Kind = "missing"
	Malformed     Kind = "malformed"
	UnknownKey    Kind = "unknown_key"
	BadSignature  Kind = "bad_signature"
	Expired       Kind = "expired"
	NotYetValid   Kind = "not_yet_valid"
	WrongIssuer   Kind = "wrong_issuer"
	WrongAudience Kind = "wrong_audience"
	Revoked       Kind = "revoked" // valid, but its session was ended
)

// Kinds lists every kind, for metrics.
func Kinds() []Kind {
	return []Kind{Missing, Malformed, UnknownKey, BadSignature, Expired, NotYetValid, WrongIssuer, WrongAudience, Revoked}
}

// Error is a refused token.
type Error struct{ Kind Kind }

// Error implements error without a detail that would help an attacker.
func (e *Error) Error() string { return "token: " + string(e.Kind) }

// KindOf returns why err refused a token, or "" if it is no *[Error].
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return ""
}

// FromBearer takes the token out of the value of an Authorization header
// (RFC 6750 section 2.1; the scheme ignores case). It reports false when there
// is none.
func FromBearer[T string | []byte](header T) (T, bool) {
	const scheme = "bearer"
	var none T
	if len(header) <= len(scheme)+1 || header[len(scheme)] != ' ' {
		return none, false
	}
	for i := range len(scheme) {
		if header[i]|0x20 != scheme[i] {
			return none, false
		}
	}
	return header[len(scheme)+1:], true
}

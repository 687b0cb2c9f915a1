// Package contact is the address book of a tenant: single contacts, lists, and
// whole files of them.
package contact

import (
	"time"

	"github.com/google/uuid"

	"gatehouse/backend/internal/cached"
	"gatehouse/backend/internal/field"
	"gatehouse/backend/internal/placement"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/web"
)

// Service keeps contacts.
type Service struct {
	Directory *placement.Directory
	Cached    cached.Answers

	queries tenantdb.Queries
}

// Input is the editable part of a contact, all of it required on create and on
// update.
type Input struct {
	Name    string `json:"name"`
	Gender  bool   `json:"gender"` // true = male, false = female
	Age     int32  `json:"age"`
	Address string `json:"address"`
	Phone   string `json:"phone"`
	Email   string `json:"email"`
}

const maxAge = 150

func (in *Input) check() error {
	var c field.Checker
	c.Line("/name", &in.Name, 1, 100)
	c.Int("/age", in.Age, 0, maxAge)
	c.Text("/address", &in.Address, 1, 500)
	c.Phone("/phone", &in.Phone)
	c.Email("/email", &in.Email)
	return c.Err()
}

// Genders as filters and files spell them.
const (
	male   = "male"
	female = "female"
)

// Contact is a contact as clients see it.
type Contact struct {
	ID        uuid.UUID `json:"id"`
	TenantID  string    `json:"tenant_id"`
	Name      string    `json:"name"`
	Gender    bool      `json:"gender"`
	Age       int32     `json:"age"`
	Address   string    `json:"address"`
	Phone     string    `json:"phone"`
	Email     string    `json:"email"`
	CreatedAt web.Time  `json:"created_at"`
	UpdatedAt web.Time  `json:"updated_at"`
}

func view(c tenantdb.Contact) Contact {
	return Contact{c.ID, c.TenantID, c.Name, c.Gender, c.Age, c.Address, c.Phone, c.Email, web.Time{Time: c.CreatedAt}, web.Time{Time: c.UpdatedAt}}
}

// Filter narrows a list; nil does not filter. Texts are LIKE patterns, see
// [field.Contains].
type Filter struct {
	Age, AgeGte, AgeLte *int32
	Male                *bool
	Name, Email, Phone  *string
	Any                 *string // name, e-mail or phone
}

// readFilter reads the filters that lists and exports have in common.
func readFilter(l *web.List) Filter {
	f := Filter{
		Age:    l.Int("age", 0, maxAge),
		AgeGte: l.Int("age_gte", 0, maxAge),
		AgeLte: l.Int("age_lte", 0, maxAge),
		Name:   contains(l, "name"),
		Email:  contains(l, "email"),
		Phone:  contains(l, "phone"),
		Any:    contains(l, "q"),
	}
	if gender := l.Choice("gender", male, female); gender != "" {
		is := gender == male
		f.Male = &is
	}
	return f
}

// contains reads text that is looked for in a folded column. Telephone numbers
// are not stored folded, but folding would not change them.
func contains(l *web.List, name string) *string { return field.Containing(l.Text(name, 1, 100)) }

// Sort orders of a list, the default first.
const (
	byCreated = "created_at"
	byName    = "name"
	byAge     = "age"
)

// position is where a page ends: the last row's sort value and id.
type position struct {
	Created time.Time `json:"c"`
	Name    string    `json:"n"`
	Age     int32     `json:"a"`
	ID      uuid.UUID `json:"i"`
}

// start is the position before the first row of a list.
func start(desc bool) position {
	if desc {
		return position{
			Created: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC),
			Name:    field.MaxSortKey,
			Age:     1 << 30,
			ID:      uuid.Max,
		}
	}
	return position{Created: time.Unix(0, 0).UTC(), Name: "", Age: -1, ID: uuid.Nil}
}

func placeOf(c tenantdb.Contact) position {
	return position{Created: c.CreatedAt, Name: c.NameSort, Age: c.Age, ID: c.ID}
}

func positionOf(c tenantdb.Contact) any { return placeOf(c) }

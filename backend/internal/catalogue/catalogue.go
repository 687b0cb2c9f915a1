// Package catalogue keeps what the invoices of a tenant are put together from: the
// emitters who issue them, the recipients who get them, and the products.
//
// The three differ in their fields and in what makes them unique. All else is done
// once, by a [Kind].
package catalogue

import (
	"context"
	"time"

	"github.com/google/uuid"

	"gatehouse/backend/internal/cached"
	"gatehouse/backend/internal/nfe"
	"gatehouse/backend/internal/placement"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/trail"
	"gatehouse/backend/internal/web"
)

// Service keeps the catalogue.
type Service struct {
	Directory *placement.Directory
	Cached    cached.Answers
}

var queries tenantdb.Queries

// Kind is one of the three, whose fields are those of In and whose rows are Row. Its
// methods answer requests.
type Kind[In, Row any] struct {
	service *Service
	// path is where the kind is, without a slash at its end.
	path string
	// actions are those of the audit trail: made, changed, deleted.
	actions [3]trail.Action

	// check returns what is wrong with the fields.
	check func(*In) []nfe.Finding
	// filter reads what narrows a list.
	filter func(*web.List) filter
	view   func(Row) view[In]

	create func(ctx context.Context, db tenantdb.DBTX, tenant string, id uuid.UUID, in *In) (Row, error)
	get    func(ctx context.Context, db tenantdb.DBTX, tenant string, id uuid.UUID) (Row, error)
	update func(ctx context.Context, db tenantdb.DBTX, tenant string, id uuid.UUID, versions []int64, in *In) (Row, error)
	remove func(ctx context.Context, db tenantdb.DBTX, tenant string, id uuid.UUID, versions []int64) (int64, error)
	list   func(ctx context.Context, db tenantdb.DBTX, tenant string, desc bool, after position, f filter, limit int32) ([]Row, error)
	count  func(ctx context.Context, db tenantdb.DBTX, tenant string, f filter) (int64, error)
}

// view is an entry as clients see it.
type view[In any] struct {
	ID        uuid.UUID `json:"id"`
	TenantID  string    `json:"tenant_id"`
	Fields    In        `json:",embed"`
	CreatedAt web.Time  `json:"created_at"`
	UpdatedAt web.Time  `json:"updated_at"`

	version int64
}

// filter narrows a list; nil does not filter.
type filter struct {
	CNPJ, CPF, IDEstrangeiro, Codigo *string
	Ativo                            *bool
	Any                              *string // a LIKE pattern for the folded search key
}

// position is where a page ends: when the last row was made, and its id.
type position struct {
	Created time.Time `json:"c"`
	ID      uuid.UUID `json:"i"`
}

// start is the position before the first row of a list.
func start(desc bool) position {
	if desc {
		return position{Created: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), ID: uuid.Max}
	}
	return position{Created: time.Unix(0, 0).UTC()}
}

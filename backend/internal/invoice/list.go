package invoice

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"gatehouse/backend/internal/field"
	"gatehouse/backend/internal/nfe"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/web"
)

// Sort orders of a list, the default first. The list by issue has only what was
// issued.
const (
	byCreated = "created_at"
	byIssued  = "issued_at"
	byTotal   = "valor_total"
)

// Filter narrows a list; nil does not filter.
type Filter struct {
	Status, Serie       *string
	EmitterID           *uuid.UUID
	IssuedGte, IssuedLt *time.Time
	MinCents, MaxCents  *int64
}

func readFilter(l *web.List) Filter {
	f := Filter{
		EmitterID: l.UUID("emitter_id"),
		IssuedGte: l.Time("issued_gte"),
		IssuedLt:  l.Time("issued_lt"),
		MinCents:  cents(l, "min_total"),
		MaxCents:  cents(l, "max_total"),
	}
	f.Status = field.Given(l.Choice("status", string(nfe.Draft), string(nfe.Authorized), string(nfe.Cancelled), string(nfe.Denied)))
	f.Serie = field.Given(l.Matching("serie", nfe.ValidSerie, "must be a series, 0 to 999 without zeros in front"))
	return f
}

// cents reads an amount, in centavos.
func cents(l *web.List, name string) *int64 {
	text := l.Matching(name, func(s string) bool { _, ok := centsOf(s); return ok },
		"must be an amount such as 1234.50, not negative, with up to 13 digits before the point")
	if text == "" {
		return nil
	}
	n, _ := centsOf(text)
	return &n
}

// maxCents is the largest amount that a document can have.
const maxCents = 999_999_999_999_999

func centsOf(text string) (n int64, ok bool) {
	d, ok := nfe.Money(text).Number()
	if !ok || text == "" || d.IsNeg() || d.Prec() > 2 {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(d.StringFixed(2), ".", ""), 10, 64)
	return n, err == nil && n <= maxCents
}

// position is where a page ends: the last row's sort value and id.
type position struct {
	Created time.Time `json:"c"`
	Issued  time.Time `json:"s"`
	Cents   int64     `json:"t"`
	ID      uuid.UUID `json:"i"`
}

// start is the position before the first row of a list.
func start(desc bool) position {
	if desc {
		last := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
		return position{Created: last, Issued: last, Cents: 1 << 60, ID: uuid.Max}
	}
	return position{Created: time.Unix(0, 0).UTC(), Issued: time.Unix(0, 0).UTC(), Cents: -1, ID: uuid.Nil}
}

// row is a document in a list.
type row tenantdb.ListNfeByCreatedRow

func positionOf(r row) any {
	p := position{Created: r.CreatedAt, Cents: r.TotalCents, ID: r.ID}
	if r.IssuedAt != nil {
		p.Issued = *r.IssuedAt
	}
	return p
}

// list returns up to limit documents after a position. Each order has a query of
// its own, so that it can use its index.
func (s *Service) list(ctx context.Context, db tenantdb.DBTX, tenant string, l *web.List, after position, f Filter) ([]row, error) {
	limit := l.Limit + 1
	created := tenantdb.ListNfeByCreatedParams{
		TenantID: tenant, AfterCreatedAt: after.Created, AfterID: after.ID, Status: f.Status, Serie: f.Serie, EmitterID: f.EmitterID,
		IssuedGte: f.IssuedGte, IssuedLt: f.IssuedLt, MinCents: f.MinCents, MaxCents: f.MaxCents, RowLimit: limit,
	}
	issued := tenantdb.ListNfeByIssuedParams{
		TenantID: tenant, AfterIssuedAt: after.Issued, AfterID: after.ID, Status: f.Status, Serie: f.Serie, EmitterID: f.EmitterID,
		IssuedGte: f.IssuedGte, IssuedLt: f.IssuedLt, MinCents: f.MinCents, MaxCents: f.MaxCents, RowLimit: limit,
	}
	total := tenantdb.ListNfeByTotalParams{
		TenantID: tenant, AfterTotalCents: after.Cents, AfterID: after.ID, Status: f.Status, Serie: f.Serie, EmitterID: f.EmitterID,
		IssuedGte: f.IssuedGte, IssuedLt: f.IssuedLt, MinCents: f.MinCents, MaxCents: f.MaxCents, RowLimit: limit,
	}
	switch {
	case l.Sort == byIssued && l.Desc:
		return rowsOf(s.queries.ListNfeByIssuedDesc(ctx, db, tenantdb.ListNfeByIssuedDescParams(issued)))
	case l.Sort == byIssued:
		return rowsOf(s.queries.ListNfeByIssued(ctx, db, issued))
	case l.Sort == byTotal && l.Desc:
		return rowsOf(s.queries.ListNfeByTotalDesc(ctx, db, tenantdb.ListNfeByTotalDescParams(total)))
	case l.Sort == byTotal:
		return rowsOf(s.queries.ListNfeByTotal(ctx, db, total))
	case l.Desc:
		return rowsOf(s.queries.ListNfeByCreatedDesc(ctx, db, tenantdb.ListNfeByCreatedDescParams(created)))
	default:
		return rowsOf(s.queries.ListNfeByCreated(ctx, db, created))
	}
}

// rowsOf gives the rows of all orders one type; they have the same columns.
func rowsOf[T tenantdb.ListNfeByCreatedRow | tenantdb.ListNfeByCreatedDescRow | tenantdb.ListNfeByIssuedRow |
	tenantdb.ListNfeByIssuedDescRow | tenantdb.ListNfeByTotalRow | tenantdb.ListNfeByTotalDescRow](list []T, err error) ([]row, error) {
	rows := make([]row, len(list))
	for i, r := range list {
		rows[i] = row(r)
	}
	return rows, err
}

func (s *Service) count(ctx context.Context, db tenantdb.DBTX, tenant string, f Filter) (int64, error) {
	return s.queries.CountNfe(ctx, db, tenantdb.CountNfeParams{
		TenantID: tenant, Status: f.Status, Serie: f.Serie, EmitterID: f.EmitterID,
		IssuedGte: f.IssuedGte, IssuedLt: f.IssuedLt, MinCents: f.MinCents, MaxCents: f.MaxCents,
	})
}

// page returns the answer with a page of documents, without what only a single one
// shows: their lists and findings.
func (s *Service) page(ctx context.Context, db tenantdb.DBTX, tenant string, l *web.List, after position, f Filter) ([]byte, error) {
	rows, err := s.list(ctx, db, tenant, l, after, f)
	if err != nil {
		return nil, err
	}
	if err := l.Tally(func() (int64, error) { return s.count(ctx, db, tenant, f) }); err != nil {
		return nil, err
	}
	heads := make(map[uuid.UUID]*Invoice, len(rows))
	for _, r := range rows {
		in, err := readHead(r.Head)
		if err != nil {
			return nil, err
		}
		in.Findings = nil
		heads[r.ID] = in
	}
	return web.EncodePage(l, rows, func(r row) *Invoice { return heads[r.ID] }, positionOf)
}

package contact

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"unicode"

	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/tenantdb"
)

// maxFound is how many contacts are put in order after they were found by their
// text. Where there are more, a list goes through its own index instead.
const maxFound = 1000

// found returns all contacts that match a filter, in no order, found by the
// filter's longest text. It is not ok without such a text, or when so many
// contacts have it that a page is sooner full by going through a list. Each of its
// statements may fail by itself, so db must not be a transaction.
func (s *Service) found(ctx context.Context, db tenantdb.DBTX, tenant string, f Filter) (rows []tenantdb.Contact, ok bool, err error) {
	longest := tenantdb.FindContactsParams{TenantID: tenant, Most: maxFound}
	for _, text := range []struct {
		field   string
		pattern *string
	}{{"name", f.Name}, {"email", f.Email}, {"phone", f.Phone}, {"q", f.Any}} {
		if text.pattern != nil && hasTrigram(*text.pattern) && len(*text.pattern) > len(longest.Pattern) {
			longest.Field, longest.Pattern = text.field, *text.pattern
		}
	}
	if longest.Field == "" {
		return nil, false, nil
	}
	ids, err := s.queries.FindContacts(ctx, db, longest)
	if err != nil && pg.FaultOf(err) == pg.NotMigrated {
		return nil, false, nil // a database where migrations have still to come
	}
	if err != nil || len(ids) == 0 {
		return nil, ids != nil, err
	}
	rows, err = s.queries.ListFoundContacts(ctx, db, tenantdb.ListFoundContactsParams{
		TenantID: tenant, Ids: ids,
		Age: f.Age, AgeGte: f.AgeGte, AgeLte: f.AgeLte, Gender: f.Male,
		Name: f.Name, Email: f.Email, Phone: f.Phone, Q: f.Any,
	})
	return rows, err == nil, err
}

// hasTrigram reports whether the index of trigrams can tell anything about a LIKE
// pattern: three letters or digits in a row.
func hasTrigram(pattern string) bool {
	run := 0
	for _, r := range pattern {
		if run++; !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			run = 0
		}
		if run == 3 {
			return true
		}
	}
	return false
}

// pageOf returns up to limit of the rows, those after a position in an order, as
// the order's query would.
func pageOf(rows []tenantdb.Contact, sort string, desc bool, after position, limit int32) []tenantdb.Contact {
	compare := func(a, b position) int {
		order := 0
		switch sort {
		case byName:
			order = cmp.Compare(a.Name, b.Name)
		case byAge:
			order = cmp.Compare(a.Age, b.Age)
		default:
			order = a.Created.Compare(b.Created)
		}
		if order == 0 {
			order = bytes.Compare(a.ID[:], b.ID[:])
		}
		if desc {
			return -order
		}
		return order
	}
	rows = slices.DeleteFunc(rows, func(c tenantdb.Contact) bool { return compare(placeOf(c), after) <= 0 })
	slices.SortFunc(rows, func(a, b tenantdb.Contact) int { return compare(placeOf(a), placeOf(b)) })
	return rows[:min(len(rows), int(limit))]
}

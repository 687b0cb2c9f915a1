package contact

import (
	"context"

	"github.com/google/uuid"

	"gatehouse/backend/internal/field"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/internal/problem"
	"gatehouse/internal/token"
)

func (s *Service) reads(c token.Claims) tenantdb.DBTX { return s.Directory.As(pg.Caller(c, false)) }

func (s *Service) writes(c token.Claims) tenantdb.DBTX { return s.Directory.As(pg.Caller(c, true)) }

func (s *Service) create(ctx context.Context, db tenantdb.DBTX, tenant string, in Input) (tenantdb.Contact, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return tenantdb.Contact{}, err
	}
	return s.queries.CreateContact(ctx, db, tenantdb.CreateContactParams{
		TenantID: tenant,
		ID:       id,
		Name:     in.Name,
		NameSort: field.SortKey(in.Name),
		NameKey:  field.Fold(in.Name),
		EmailKey: field.Fold(in.Email),
		Gender:   in.Gender,
		Age:      in.Age,
		Address:  in.Address,
		Phone:    in.Phone,
		Email:    in.Email,
	})
}

func (s *Service) get(ctx context.Context, c token.Claims, id uuid.UUID) (tenantdb.Contact, error) {
	return s.queries.GetContact(ctx, s.reads(c), tenantdb.GetContactParams{TenantID: c.Tenant, ID: id})
}

// update changes a contact that has one of the versions; nil allows any.
func (s *Service) update(ctx context.Context, c token.Claims, id uuid.UUID, versions []int64, in Input) (tenantdb.Contact, error) {
	row, err := s.queries.UpdateContact(ctx, s.writes(c), tenantdb.UpdateContactParams{
		TenantID: c.Tenant,
		ID:       id,
		Versions: versions,
		Name:     in.Name,
		NameSort: field.SortKey(in.Name),
		NameKey:  field.Fold(in.Name),
		EmailKey: field.Fold(in.Email),
		Gender:   in.Gender,
		Age:      in.Age,
		Address:  in.Address,
		Phone:    in.Phone,
		Email:    in.Email,
	})
	s.Cached.Wrote(ctx, c, err)
	if problem.Is(err, problem.NotFound) {
		err = s.missed(ctx, c, id, versions)
	}
	return row, err
}

// delete removes a contact that has one of the versions; nil allows any.
func (s *Service) delete(ctx context.Context, c token.Claims, id uuid.UUID, versions []int64) error {
	n, err := s.queries.DeleteContact(ctx, s.writes(c), tenantdb.DeleteContactParams{TenantID: c.Tenant, ID: id, Versions: versions})
	s.Cached.Wrote(ctx, c, err)
	if err == nil && n == 0 {
		err = s.missed(ctx, c, id, versions)
	}
	return err
}

// missed says why a change found no contact: there is none, or it has another
// version.
func (s *Service) missed(ctx context.Context, c token.Claims, id uuid.UUID, versions []int64) error {
	if versions == nil {
		return problem.New(problem.NotFound)
	}
	if _, err := s.get(ctx, c, id); err != nil {
		return err
	}
	return problem.New(problem.PreconditionFailed)
}

func (s *Service) count(ctx context.Context, c token.Claims, f Filter) (int64, error) {
	if rows, ok, err := s.found(ctx, s.reads(c), c.Tenant, f); ok || err != nil {
		return int64(len(rows)), err
	}
	return s.queries.CountContacts(ctx, s.reads(c), tenantdb.CountContactsParams{
		TenantID: c.Tenant,
		Age:      f.Age, AgeGte: f.AgeGte, AgeLte: f.AgeLte, Gender: f.Male,
		Name: f.Name, Email: f.Email, Phone: f.Phone, Q: f.Any,
	})
}

// list returns up to limit contacts after a position. Contacts with a text that
// few have are found by it; else each order has a query of its own, so that it can
// use its index.
func (s *Service) list(ctx context.Context, db tenantdb.DBTX, tenant, sort string, desc bool, after position, f Filter, limit int32) ([]tenantdb.Contact, error) {
	if rows, ok, err := s.found(ctx, db, tenant, f); ok || err != nil {
		return pageOf(rows, sort, desc, after, limit), err
	}
	created := tenantdb.ListContactsByCreatedParams{
		TenantID: tenant, AfterCreatedAt: after.Created, AfterID: after.ID,
		Age: f.Age, AgeGte: f.AgeGte, AgeLte: f.AgeLte, Gender: f.Male,
		Name: f.Name, Email: f.Email, Phone: f.Phone, Q: f.Any, RowLimit: limit,
	}
	name := tenantdb.ListContactsByNameParams{
		TenantID: tenant, AfterNameSort: after.Name, AfterID: after.ID,
		Age: f.Age, AgeGte: f.AgeGte, AgeLte: f.AgeLte, Gender: f.Male,
		Name: f.Name, Email: f.Email, Phone: f.Phone, Q: f.Any, RowLimit: limit,
	}
	age := tenantdb.ListContactsByAgeParams{
		TenantID: tenant, AfterAge: after.Age, AfterID: after.ID,
		Age: f.Age, AgeGte: f.AgeGte, AgeLte: f.AgeLte, Gender: f.Male,
		Name: f.Name, Email: f.Email, Phone: f.Phone, Q: f.Any, RowLimit: limit,
	}
	switch {
	case sort == byName && desc:
		return s.queries.ListContactsByNameDesc(ctx, db, tenantdb.ListContactsByNameDescParams(name))
	case sort == byName:
		return s.queries.ListContactsByName(ctx, db, name)
	case sort == byAge && desc:
		return s.queries.ListContactsByAgeDesc(ctx, db, tenantdb.ListContactsByAgeDescParams(age))
	case sort == byAge:
		return s.queries.ListContactsByAge(ctx, db, age)
	case desc:
		return s.queries.ListContactsByCreatedDesc(ctx, db, tenantdb.ListContactsByCreatedDescParams(created))
	default:
		return s.queries.ListContactsByCreated(ctx, db, created)
	}
}

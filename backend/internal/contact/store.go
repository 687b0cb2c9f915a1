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

func (s *Service) db(c token.Claims, write bool) tenantdb.DBTX {
	return s.Directory.As(pg.Caller(c, write))
}

func (s *Service) create(ctx context.Context, c token.Claims, in Input) (tenantdb.Contact, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return tenantdb.Contact{}, err
	}
	return s.queries.CreateContact(ctx, s.db(c, true), tenantdb.CreateContactParams{
		TenantID: c.Tenant,
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
	return s.queries.GetContact(ctx, s.db(c, false), tenantdb.GetContactParams{TenantID: c.Tenant, ID: id})
}

func (s *Service) update(ctx context.Context, c token.Claims, id uuid.UUID, in Input) (tenantdb.Contact, error) {
	return s.queries.UpdateContact(ctx, s.db(c, true), tenantdb.UpdateContactParams{
		TenantID: c.Tenant,
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

func (s *Service) delete(ctx context.Context, c token.Claims, id uuid.UUID) error {
	n, err := s.queries.DeleteContact(ctx, s.db(c, true), tenantdb.DeleteContactParams{TenantID: c.Tenant, ID: id})
	if err == nil && n == 0 {
		err = problem.New(problem.NotFound)
	}
	return err
}

// list returns up to limit contacts after a position. Each order has a query of
// its own, so that it can use its index.
func (s *Service) list(ctx context.Context, c token.Claims, sort string, desc bool, after position, f Filter, limit int32) ([]tenantdb.Contact, error) {
	db := s.db(c, false)
	created := tenantdb.ListContactsByCreatedParams{
		TenantID: c.Tenant, AfterCreatedAt: after.Created, AfterID: after.ID,
		Age: f.Age, AgeGte: f.AgeGte, AgeLte: f.AgeLte, Gender: f.Male, RowLimit: limit,
	}
	name := tenantdb.ListContactsByNameParams{
		TenantID: c.Tenant, AfterNameSort: after.Name, AfterID: after.ID,
		Age: f.Age, AgeGte: f.AgeGte, AgeLte: f.AgeLte, Gender: f.Male, RowLimit: limit,
	}
	age := tenantdb.ListContactsByAgeParams{
		TenantID: c.Tenant, AfterAge: after.Age, AfterID: after.ID,
		Age: f.Age, AgeGte: f.AgeGte, AgeLte: f.AgeLte, Gender: f.Male, RowLimit: limit,
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

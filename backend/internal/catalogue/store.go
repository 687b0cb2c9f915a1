package catalogue

import (
	"context"

	"github.com/google/uuid"

	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/backend/internal/trail"
	"gatehouse/internal/problem"
	"gatehouse/internal/token"
)

func (k *Kind[In, Row]) reads(c token.Claims) tenantdb.DBTX {
	return k.service.Directory.As(pg.Caller(c, false))
}

func (k *Kind[In, Row]) inTx(ctx context.Context, c token.Claims, fn func(tx tenantdb.DBTX) error) error {
	return k.service.Directory.InTx(ctx, pg.Caller(c, true), fn)
}

func (k *Kind[In, Row]) make(ctx context.Context, tx tenantdb.DBTX, by trail.Origin, in *In) (Row, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return *new(Row), err
	}
	row, err := k.create(ctx, tx, by.Claims.Tenant, id, in)
	if err != nil {
		return row, conflict(err)
	}
	return row, k.record(ctx, tx, by, 0, id)
}

// change replaces the fields of an entry that has one of the versions; nil allows any.
func (k *Kind[In, Row]) change(ctx context.Context, by trail.Origin, id uuid.UUID, versions []int64, in *In) (row Row, err error) {
	err = k.inTx(ctx, by.Claims, func(tx tenantdb.DBTX) (err error) {
		if row, err = k.update(ctx, tx, by.Claims.Tenant, id, versions, in); err != nil {
			return conflict(err)
		}
		return k.record(ctx, tx, by, 1, id)
	})
	k.service.Cached.Wrote(ctx, by.Claims, err)
	if problem.Is(err, problem.NotFound) {
		err = k.missed(ctx, by.Claims, id, versions)
	}
	return row, err
}

// delete removes an entry that has one of the versions; nil allows any.
func (k *Kind[In, Row]) delete(ctx context.Context, by trail.Origin, id uuid.UUID, versions []int64) error {
	err := k.inTx(ctx, by.Claims, func(tx tenantdb.DBTX) error {
		n, err := k.remove(ctx, tx, by.Claims.Tenant, id, versions)
		if err != nil {
			return conflict(err)
		}
		if n == 0 {
			return problem.New(problem.NotFound)
		}
		return k.record(ctx, tx, by, 2, id)
	})
	k.service.Cached.Wrote(ctx, by.Claims, err)
	if problem.Is(err, problem.NotFound) {
		err = k.missed(ctx, by.Claims, id, versions)
	}
	return err
}

func (k *Kind[In, Row]) record(ctx context.Context, tx tenantdb.DBTX, by trail.Origin, action int, id uuid.UUID) error {
	return trail.Record(ctx, tx, by.Claims.Tenant, by, trail.Entry{Action: k.actions[action], Target: id.String()})
}

func (k *Kind[In, Row]) positionOf(row Row) any {
	v := k.view(row)
	return position{Created: v.CreatedAt.Time, ID: v.ID}
}

// missed says why a change found no entry: there is none, or it has another version.
func (k *Kind[In, Row]) missed(ctx context.Context, c token.Claims, id uuid.UUID, versions []int64) error {
	if versions == nil {
		return problem.New(problem.NotFound)
	}
	if _, err := k.get(ctx, k.reads(c), c.Tenant, id); err != nil {
		return err
	}
	return problem.New(problem.PreconditionFailed)
}

// taken names the fields that no two entries of a tenant may share, by the index
// that keeps them apart.
var taken = map[string]string{
	"nfe_emitters_cnpj_unique":             "cnpj",
	"nfe_emitters_cpf_unique":              "cpf",
	"nfe_recipients_cnpj_unique":           "cnpj",
	"nfe_recipients_cpf_unique":            "cpf",
	"nfe_recipients_id_estrangeiro_unique": "id_estrangeiro",
	"nfe_products_codigo_unique":           "codigo",
}

// conflict says what another row has, or that a document needs this one.
func conflict(err error) error {
	for index, name := range taken {
		if pg.Violates(err, index) {
			return problem.Newf(problem.Conflict, "There is an entry with this %s already.", name)
		}
	}
	if pg.Referenced(err) {
		return problem.Newf(problem.Conflict, "Documents refer to this entry, so it cannot be deleted.")
	}
	return err
}

package move

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"gatehouse/backend/internal/controldb"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/placement"
	"gatehouse/backend/internal/tenantdb"
	"gatehouse/internal/problem"
	"gatehouse/internal/token"
)

// provisionTime bounds making a dedicated database ready.
const provisionTime = time.Minute

// begin finds the move that is under way, or begins one, and connects to both
// databases as far as they are ready.
func (r *run) begin(ctx context.Context, to string, ask func() (*url.URL, error)) error {
	err := r.main.InTx(ctx, func(tx tenantdb.DBTX) (err error) {
		r.move, err = r.control.GetMove(ctx, tx, r.tenant)
		return err
	})
	fresh := problem.Is(err, problem.NotFound)
	if err != nil && !fresh {
		return err
	}
	if !fresh && r.move.Target != to {
		return fmt.Errorf("the tenant is on its way to the placement %s; finish that or undo it", r.move.Target)
	}
	var u *url.URL
	if to == Dedicated && len(r.move.SealedOwnerURL) == 0 { // not made ready yet
		if u, err = ask(); err != nil {
			return err
		}
	}
	if u != nil && !fresh && !slices.ContainsFunc(r.Directory.DatabaseKeys(u), func(key []byte) bool { return bytes.Equal(key, r.move.DatabaseKey) }) {
		return errors.New("the tenant is on its way to another database; finish that or undo it")
	}
	if fresh {
		if err := r.note(ctx, to, u); err != nil || r.moved.Already {
			return err
		}
		r.stop("begun")
	}
	if u != nil {
		if err := r.provision(ctx, u); err != nil {
			// The tenant has not noticed anything; the operator tries another string.
			return errors.Join(err, r.undo(context.WithoutCancel(ctx)))
		}
	}
	return r.connect(ctx)
}

// note stores that the tenant is being moved. Until that has come to an end
// nobody can change, suspend or delete it.
func (r *run) note(ctx context.Context, to string, u *url.URL) error {
	return r.main.InTx(ctx, func(tx tenantdb.DBTX) error {
		t, err := r.control.LockTenant(ctx, tx, r.tenant)
		switch {
		case problem.Is(err, problem.NotFound):
			return errors.New("there is no such tenant")
		case err != nil:
			return err
		case t.ID == token.PlatformTenant:
			return errors.New("the tenant of the operators stays in the main database")
		case t.Placement == to:
			r.moved.Already = true
			return nil
		case t.Status != active:
			return fmt.Errorf("the tenant is %s; only an active one is moved", t.Status)
		}
		begin := controldb.BeginMoveParams{TenantID: r.tenant, Target: to}
		if u != nil {
			keys := r.Directory.DatabaseKeys(u)
			taken, err := r.control.DatabaseTaken(ctx, tx, controldb.DatabaseTakenParams{TenantID: r.tenant, DatabaseKeys: keys})
			if err == nil && taken {
				err = pg.ErrUsed
			}
			if err != nil {
				return err
			}
			begin.DatabaseKey = keys[0]
		}
		err = r.control.BeginMove(ctx, tx, begin)
		if pg.Violates(err, "tenant_moves_database_unique") {
			err = pg.ErrUsed
		}
		if err != nil {
			return err
		}
		if _, err := r.control.SetTenantStatus(ctx, tx, controldb.SetTenantStatusParams{ID: r.tenant, Status: moving}); err != nil {
			return err
		}
		r.move = controldb.Move{TenantID: r.tenant, Target: to, Step: prepare}
		return r.record(ctx, tx, "begun")
	})
}

// provision makes a dedicated database ready and stores how it is reached.
func (r *run) provision(ctx context.Context, u *url.URL) error {
	bounded, cancel := context.WithTimeout(ctx, provisionTime)
	defer cancel()
	sealed, err := r.Directory.Provision(bounded, r.tenant, u, func(ctx context.Context, other string) (known bool, err error) {
		err = r.main.InTx(ctx, func(tx tenantdb.DBTX) error {
			_, err := r.control.GetTenant(ctx, tx, other)
			return err
		})
		if problem.Is(err, problem.NotFound) {
			return false, nil
		}
		return true, err
	})
	if err != nil {
		return err
	}
	r.stop("provisioned")
	r.move.SealedOwnerURL, r.move.SealedURL = sealed.OwnerURL, sealed.ServingURL
	return r.main.InTx(ctx, func(tx tenantdb.DBTX) error {
		return r.control.SetMoveDatabase(ctx, tx, controldb.SetMoveDatabaseParams{
			TenantID: r.tenant, SealedOwnerURL: sealed.OwnerURL, SealedURL: sealed.ServingURL,
		})
	})
}

// connect opens the dedicated database and says which is source and target.
func (r *run) connect(ctx context.Context) error {
	sealed, err := r.sealed(ctx)
	if err != nil {
		return err
	}
	if r.own, err = r.Directory.Owner(ctx, r.tenant, sealed.OwnerURL, work(r.tenant)); err != nil {
		return fmt.Errorf("connect to the tenant's own database: %w", err)
	}
	if r.source, r.target = r.main, r.own; r.move.Target == Shared {
		r.source, r.target = r.own, r.main
	}
	return r.sameSchema(ctx)
}

// sealed returns how the dedicated database is reached: before the tenant has left
// it that is in its placement.
func (r *run) sealed(ctx context.Context) (placement.Sealed, error) {
	if r.move.Target == Dedicated || r.move.Step == clean {
		return placement.Sealed{OwnerURL: r.move.SealedOwnerURL, ServingURL: r.move.SealedURL}, nil
	}
	var s placement.Sealed
	err := r.main.InTx(ctx, func(tx tenantdb.DBTX) error {
		p, err := r.control.GetPlacement(ctx, tx, r.tenant)
		s = placement.Sealed{OwnerURL: p.SealedOwnerURL, ServingURL: p.SealedURL}
		return err
	})
	return s, err
}

// sameSchema refuses databases whose rows do not look the same.
func (r *run) sameSchema(ctx context.Context) error {
	var versions [2]int64
	for i, db := range []*pg.Owner{r.source, r.target} {
		err := db.InTx(ctx, func(tx tenantdb.DBTX) (err error) {
			versions[i], err = r.queries.SchemaVersion(ctx, tx)
			return err
		})
		if err != nil {
			return err
		}
	}
	if versions[0] != versions[1] {
		return fmt.Errorf("the schemas differ, %d and %d: run backend migrate, or undo the move", versions[0], versions[1])
	}
	return nil
}

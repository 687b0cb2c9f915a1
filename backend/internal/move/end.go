package move

import (
	"context"
	"fmt"

	"gatehouse/backend/internal/controldb"
	"gatehouse/backend/internal/tenantdb"
)

// clean lets everybody in to the new database and deletes what is left in the
// former one.
func (r *run) clean(ctx context.Context) error {
	if err := r.reopen(ctx, r.target); err != nil {
		return err
	}
	r.stop("reopened")
	err := r.source.InTx(ctx, func(tx tenantdb.DBTX) error { return r.queries.ExpelTenant(ctx, tx, r.tenant) })
	if err != nil {
		return err
	}
	if err := r.release(ctx, r.source); err != nil {
		return err
	}
	r.stop("released")
	if err := r.wipe(ctx, r.source); err != nil {
		return err
	}
	r.stop("wiped")
	err = r.target.InTx(ctx, func(tx tenantdb.DBTX) error { return r.queries.ForgetAppliedChanges(ctx, tx, r.tenant) })
	if err != nil {
		return err
	}
	if r.source == r.own {
		if err := r.dropLogin(ctx); err != nil {
			return err
		}
	}
	return r.end(ctx, "cleaned up")
}

// undo lets the tenant go on where it is.
func (r *run) undo(ctx context.Context) error {
	err := r.connect(ctx)
	switch {
	case len(r.move.SealedOwnerURL) == 0 && r.move.Target == Dedicated:
		r.source, r.target = r.main, nil // nothing is known of the other one
	case r.move.Target == Dedicated && r.own == nil:
		r.source, r.target, r.moved.Left = r.main, nil, err
	case err != nil && r.own == nil:
		return err
	}
	if err := r.reopen(ctx, r.source); err != nil {
		return err
	}
	if err := r.release(ctx, r.source); err != nil {
		return err
	}
	if r.target != nil {
		err := r.target.InTx(ctx, func(tx tenantdb.DBTX) error { return r.queries.ExpelTenant(ctx, tx, r.tenant) })
		if err != nil {
			return err
		}
		if err := r.wipe(ctx, r.target); err != nil {
			return err
		}
		if r.target == r.own {
			if err := r.dropLogin(ctx); err != nil {
				return err
			}
		}
	}
	return r.end(ctx, "undone")
}

// dropLogin takes the tenant's login from its own database.
func (r *run) dropLogin(ctx context.Context) error {
	sealed, err := r.sealed(ctx)
	if err != nil {
		return err
	}
	err = r.Directory.Leave(ctx, r.tenant, sealed, func(tenantdb.DBTX) error { return nil })
	if err != nil {
		return fmt.Errorf("drop the tenant's login: %w", err)
	}
	return nil
}

// end forgets the move, so that the tenant can be changed again.
func (r *run) end(ctx context.Context, outcome string) error {
	err := r.main.InTx(ctx, func(tx tenantdb.DBTX) error {
		if err := r.control.EndMove(ctx, tx, r.tenant); err != nil {
			return err
		}
		if _, err := r.control.SetTenantStatus(ctx, tx, controldb.SetTenantStatusParams{ID: r.tenant, Status: active}); err != nil {
			return err
		}
		return r.record(ctx, tx, outcome)
	})
	if err == nil {
		r.move.Step = ""
	}
	return err
}

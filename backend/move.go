package backend

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"time"

	"gatehouse/backend/internal/move"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/placement"
	"gatehouse/internal/config"
)

// MoveOptions say where a tenant goes.
type MoveOptions struct {
	Tenant string
	// To is shared or dedicated. With Undo it is not needed.
	To   string
	Undo bool
	// DatabaseURL returns the connection string of the dedicated database. It is
	// called when that is not known yet.
	DatabaseURL func() (config.Secret, error)
}

// MoveTenant moves a tenant to the main database or to one of its own, goes on
// with a move that was stopped, or undoes one (see package move).
func MoveTenant(ctx context.Context, c AdminConfig, o MoveOptions, log *slog.Logger) (moved move.Moved, err error) {
	err = asOwner(c, func(db *pg.DB) error {
		directory, err := placement.New(placement.Config{
			Key: c.TenantKey, Local: c.TenantNetworks, OnMain: c.TenantOnMain,
		}, db, pg.Config{}, log, time.Now)
		if err != nil {
			return err
		}
		if hash := c.Logging.TenantHash(o.Tenant); hash != "" {
			log = log.With("tenant", hash)
		}
		mover := &move.Mover{Main: c.MigrateURL, Directory: directory, Log: log}
		if o.Undo {
			moved, err = mover.Undo(ctx, o.Tenant)
			return err
		}
		moved, err = mover.Move(ctx, o.Tenant, o.To, func() (*url.URL, error) {
			text, err := o.DatabaseURL()
			if err != nil {
				return nil, err
			}
			if text == "" {
				return nil, errors.New("the connection string of the tenant's own database is wanted on standard input")
			}
			u, err := placement.ParseURL(text.Reveal())
			if err != nil {
				err = errors.New("the connection string " + err.Error())
			}
			return u, err
		})
		return err
	})
	return moved, err
}

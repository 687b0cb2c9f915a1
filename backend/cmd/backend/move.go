package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"gatehouse/backend"
	"gatehouse/backend/internal/move"
	"gatehouse/internal/config"
	"gatehouse/internal/program"
)

// moveTenant runs `backend tenant move`.
func moveTenant(ctx context.Context, args []string, out io.Writer) error {
	o := backend.MoveOptions{DatabaseURL: func() (config.Secret, error) {
		text, err := readPassword(os.Stdin)
		return config.Secret(text), err
	}}
	if len(args) == 0 {
		return program.ErrUsage
	}
	o.Tenant = args[0]
	flags := flag.NewFlagSet("tenant move", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the usage text says it all
	flags.StringVar(&o.To, "to", "", "shared or dedicated")
	flags.BoolVar(&o.Undo, "undo", false, "stay where it is")
	err := flags.Parse(args[1:])
	if err != nil || flags.NArg() > 0 || o.Undo == (o.To != "") || o.To != "" && o.To != move.Shared && o.To != move.Dedicated {
		return program.ErrUsage
	}
	return withAdmin(func(c backend.AdminConfig, log *slog.Logger) error {
		if c.TenantKey == "" {
			m := &config.Mistakes{}
			m.Add("TENANT_DB_KEY", "is missing; it seals and opens the connection strings of dedicated databases")
			return m
		}
		began := time.Now()
		moved, err := backend.MoveTenant(ctx, c, o, log)
		if err != nil {
			return err
		}
		return printMoved(out, o, moved, time.Since(began))
	})
}

// printMoved says what came of a move.
func printMoved(out io.Writer, o backend.MoveOptions, m move.Moved, took time.Duration) error {
	if m.Already {
		_, err := fmt.Fprintf(out, "%s is %s already\n", o.Tenant, o.To)
		return err
	}
	if !o.Undo {
		_, err := fmt.Fprintf(out, "%s is %s: %d rows copied, %d changes followed, writes paused for %v, %v in all\n",
			o.Tenant, o.To, m.Rows, m.Changes, m.Paused.Round(time.Millisecond), took.Round(time.Millisecond))
		return err
	}
	_, err := fmt.Fprintf(out, "%s stays where it was\n", o.Tenant)
	if m.Left != nil {
		_, left := fmt.Fprintf(out, "what was copied is still in the other database: %v\n", m.Left)
		err = errors.Join(err, left)
	}
	return err
}

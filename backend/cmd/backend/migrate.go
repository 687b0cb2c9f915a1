package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"text/tabwriter"

	"gatehouse/backend"
	"gatehouse/backend/internal/pg"
	"gatehouse/backend/internal/placement"
	"gatehouse/internal/program"
)

// migrate runs `backend migrate`.
func migrate(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("migrate", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the usage text says it all
	var o backend.MigrateOptions
	flags.BoolVar(&o.DryRun, "dry-run", false, "change nothing")
	flags.BoolVar(&o.MainOnly, "main", false, "leave the tenants' databases alone")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 {
		return program.ErrUsage
	}
	return withAdmin(func(c backend.AdminConfig, log *slog.Logger) error {
		all, err := backend.Migrate(ctx, c, o, log)
		return errors.Join(printMigrated(out, all, o.DryRun), err)
	})
}

// printMigrated shows a line for each plane of each database.
func printMigrated(out io.Writer, all []placement.Migrated, dry bool) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, err := fmt.Fprintln(table, "DATABASE\tPLANE\tFROM\tTO\tRESULT")
	line := func(database, plane string, from, to any, result string) {
		_, failed := fmt.Fprintf(table, "%s\t%s\t%v\t%v\t%s\n", database, plane, from, to, result)
		err = errors.Join(err, failed)
	}
	for _, m := range all {
		database := "main"
		if m.Tenant != "" {
			database = "tenant " + m.Tenant
		}
		for _, c := range m.Changes {
			line(database, c.Plane, c.From, c.To, result(c, dry))
		}
		if m.Err != nil {
			line(database, "-", "-", "-", fmt.Sprintf("failed: %v", m.Err))
		}
	}
	return cmp.Or(err, table.Flush())
}

func result(c pg.Change, dry bool) string {
	switch {
	case c.From == c.To:
		return "up to date"
	case dry:
		return "would be migrated"
	}
	return "migrated"
}

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"text/tabwriter"

	"gatehouse/backend"
	"gatehouse/backend/internal/placement"
	"gatehouse/internal/config"
	"gatehouse/internal/program"
)

// reseal runs `backend tenant reseal`.
func reseal(ctx context.Context, args []string, out io.Writer) error {
	if len(args) > 0 {
		return program.ErrUsage
	}
	return withAdmin(func(c backend.AdminConfig, log *slog.Logger) error {
		if c.TenantKey == "" {
			m := &config.Mistakes{}
			m.Add("TENANT_DB_KEY", "is missing; the new key and those before it are wanted")
			return m
		}
		all, err := backend.Reseal(ctx, c, log)
		return errors.Join(printResealed(out, all), err)
	})
}

// printResealed shows a line for each tenant.
func printResealed(out io.Writer, all []placement.Resealed) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, err := fmt.Fprintln(table, "TENANT\tRESULT")
	for _, r := range all {
		result := "sealed with the first key already"
		switch {
		case r.Err != nil:
			result = fmt.Sprintf("failed: %v", r.Err)
		case r.Done:
			result = "sealed anew"
		}
		_, failed := fmt.Fprintf(table, "%s\t%s\n", r.Tenant, result)
		err = errors.Join(err, failed)
	}
	return cmp.Or(err, table.Flush())
}

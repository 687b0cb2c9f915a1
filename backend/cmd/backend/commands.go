package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"gatehouse/backend"
	"gatehouse/internal/buildinfo"
	"gatehouse/internal/config"
	"gatehouse/internal/logging"
	"gatehouse/internal/ops"
	"gatehouse/internal/problem"
	"gatehouse/internal/program"
)

// defaultOpsAddr is the default of BACKEND_OPS_ADDR, for the health command.
const defaultOpsAddr = "127.0.0.1:9091"

func run(ctx context.Context, args []string) error {
	command := strings.Join(args, " ")
	if len(args) >= 2 && args[0] == "operator" && args[1] == "create" {
		return operatorCreate(ctx, args[2:])
	}
	if len(args) >= 1 && args[0] == "keys" {
		return keys(args[1:], os.Stdout)
	}
	if len(args) >= 2 && args[0] == "tenant" && args[1] == "reseal" {
		return reseal(ctx, args[2:], os.Stdout)
	}
	if len(args) >= 2 && args[0] == "tenant" && args[1] == "hash" {
		return tenantHash(args[2:], os.Stdout)
	}
	if len(args) >= 2 && args[0] == "tenant" && args[1] == "move" {
		return moveTenant(ctx, args[2:], os.Stdout)
	}
	if len(args) >= 1 && args[0] == "migrate" {
		return migrate(ctx, args[1:], os.Stdout)
	}
	switch command {
	case "", "serve":
		return serve(ctx)
	case "bootstrap":
		return bootstrap(ctx)
	case "seed":
		return seed(ctx)
	case "health":
		// Only this setting is needed: a probe's environment may lack the others.
		return ops.Probe(ctx, cmp.Or(os.Getenv("BACKEND_OPS_ADDR"), defaultOpsAddr))
	case "settings":
		return json.MarshalWrite(os.Stdout, []config.Section{
			{Title: "Backend: serve", Fields: config.Fields(&backend.Config{})},
			{Title: "Backend: bootstrap, migrate, seed, operator", Fields: config.Fields(&backend.AdminConfig{})},
		}, jsontext.WithIndent("  "))
	case "version":
		fmt.Println(buildinfo.Version)
		return nil
	}
	return program.ErrUsage
}

func serve(ctx context.Context) error {
	var c backend.Config
	if err := config.Load(&c, os.Environ()); err != nil {
		return err
	}
	log, flush, err := logging.Open(c.Logging, "backend")
	if err != nil {
		return err
	}
	log.LogAttrs(ctx, slog.LevelInfo, "starting", append(config.Summary(&c), slog.String("version", buildinfo.Version))...)
	b, err := backend.New(c, log)
	if err == nil {
		program.OnHangup(ctx, b.Reload)
		err = b.Run(ctx)
	}
	return errors.Join(err, flush())
}

func bootstrap(ctx context.Context) error {
	c := (&backend.AdminConfig{}).ForBootstrap()
	if err := config.Load(c, os.Environ()); err != nil {
		return err
	}
	return backend.Bootstrap(ctx, *c)
}

func seed(ctx context.Context) error {
	return withAdmin(func(c backend.AdminConfig, _ *slog.Logger) error {
		m := &config.Mistakes{}
		if c.AppEnv != config.Development {
			m.Add("APP_ENV", "is %s; seed runs with development only", c.AppEnv)
			return m
		}
		if c.SeedDemoPassword == "" {
			m.Add("SEED_DEMO_PASSWORD", "is missing; the demo user needs one")
			return m
		}
		return explain(backend.Seed(ctx, c))
	})
}

func operatorCreate(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("operator create", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the usage text says it all
	username := flags.String("username", backend.OperatorUsername, "user name")
	email := flags.String("email", "", "e-mail address")
	if err := flags.Parse(args); err != nil || *email == "" || flags.NArg() > 0 {
		return program.ErrUsage
	}
	return withAdmin(func(c backend.AdminConfig, _ *slog.Logger) error {
		password, err := readPassword(os.Stdin)
		if err != nil {
			return err
		}
		return explain(backend.CreateOperator(ctx, c, *username, *email, password))
	})
}

// readPassword takes the first line, so that `echo … |` and a file both work.
func readPassword(in io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(in, 4096)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}

// explain turns a problem's findings into lines for a terminal.
func explain(err error) error {
	var p *problem.Error
	if !errors.As(err, &p) || len(p.Fields) == 0 {
		return err
	}
	var lines []string
	for _, f := range p.Fields {
		lines = append(lines, strings.TrimPrefix(f.Name, "/")+" "+f.Message)
	}
	return errors.New(strings.Join(lines, "; "))
}

func withAdmin(fn func(backend.AdminConfig, *slog.Logger) error) error {
	var c backend.AdminConfig
	if err := config.Load(&c, os.Environ()); err != nil {
		return err
	}
	log, flush, err := logging.Open(c.Logging, "backend")
	if err != nil {
		return err
	}
	return errors.Join(fn(c, log), flush())
}

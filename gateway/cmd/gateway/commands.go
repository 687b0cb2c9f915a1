package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"gatehouse/gateway"
	"gatehouse/internal/buildinfo"
	"gatehouse/internal/config"
	"gatehouse/internal/logging"
	"gatehouse/internal/ops"
	"gatehouse/internal/program"
)

// defaultOpsAddr is the default of GATEWAY_OPS_ADDR, for the health command.
const defaultOpsAddr = "127.0.0.1:9090"

func run(ctx context.Context, args []string) error {
	switch strings.Join(args, " ") {
	case "", "serve":
		return serve(ctx)
	case "check":
		return check()
	case "health":
		// Only this setting is needed: a probe's environment may lack the others.
		return ops.Probe(ctx, cmp.Or(os.Getenv("GATEWAY_OPS_ADDR"), defaultOpsAddr))
	case "settings":
		return json.MarshalWrite(os.Stdout, []config.Section{
			{Title: "Gateway", Fields: config.Fields(&gateway.Config{})},
		}, jsontext.WithIndent("  "))
	case "version":
		fmt.Println(buildinfo.Version)
		return nil
	}
	return program.ErrUsage
}

func serve(ctx context.Context) error {
	var c gateway.Config
	if err := config.Load(&c, os.Environ()); err != nil {
		return err
	}
	log, flush, err := logging.Open(c.Log, "gateway")
	if err != nil {
		return err
	}
	log.LogAttrs(ctx, slog.LevelInfo, "starting", append(config.Summary(&c), slog.String("version", buildinfo.Version))...)
	g, err := gateway.New(gateway.Options{Config: c, Log: log})
	if err == nil {
		program.OnHangup(ctx, g.Reload)
		err = g.Run(ctx)
	}
	return errors.Join(err, flush())
}

// check prints OK, what the gateway would enforce, and the settings that are in
// force.
func check() error {
	var c gateway.Config
	if err := config.Load(&c, os.Environ()); err != nil {
		return err
	}
	fmt.Println("OK")
	if err := c.Report(os.Stdout); err != nil {
		return err
	}
	fmt.Println("\nSettings")
	for _, attr := range config.Summary(&c) {
		fmt.Printf("  %s=%s\n", attr.Key, attr.Value)
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"gatehouse/gateway"
	"gatehouse/internal/buildinfo"
	"gatehouse/internal/config"
	"gatehouse/internal/logging"
	"gatehouse/internal/ops"
)

// healthTimeout bounds `gateway health`, whose caller has a timeout of its own.
const healthTimeout = 3 * time.Second

func run(ctx context.Context, args []string) error {
	switch strings.Join(args, " ") {
	case "", "serve":
		return serve(ctx)
	case "check":
		return check()
	case "health":
		return askHealth(ctx)
	case "settings":
		return json.MarshalWrite(os.Stdout, []config.Section{
			{Title: "Gateway", Fields: config.Fields(&gateway.Config{})},
		}, jsontext.WithIndent("  "))
	case "version":
		fmt.Println(buildinfo.Version)
		return nil
	}
	return errUsage
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
		err = g.Run(ctx)
	}
	return errors.Join(err, flush())
}

// check prints OK and the settings that are in force.
func check() error {
	var c gateway.Config
	if err := config.Load(&c, os.Environ()); err != nil {
		return err
	}
	fmt.Println("OK")
	for _, attr := range config.Summary(&c) {
		fmt.Printf("  %s=%s\n", attr.Key, attr.Value)
	}
	return nil
}

// opsAddress is the one setting that the health command needs: a probe's
// environment may lack the others.
type opsAddress struct {
	Addr string `env:"GATEWAY_OPS_ADDR" envDefault:"127.0.0.1:9090"`
}

// Validate implements config.Checked.
func (*opsAddress) Validate(*config.Mistakes) {}

func askHealth(ctx context.Context) error {
	var c opsAddress
	if err := config.Load(&c, os.Environ()); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	return ops.Probe(ctx, c.Addr)
}

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"gatehouse/internal/stack"
)

// machineName is what the figures depend on most.
func machineName() string {
	name := fmt.Sprintf("%d cores, %s/%s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return name
	}
	for line := range strings.Lines(string(info)) {
		if key, model, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return name + ", " + strings.TrimSpace(model)
		}
	}
	return name
}

// system is what runs, in a line.
func (j *job) system(s *stack.Stack, users int) string {
	limits := "built-in limits"
	if j.wide {
		limits = "wide limits"
	}
	hashes := "production's password hashes"
	if j.cheapHashes {
		hashes = "cheap password hashes"
	}
	parts := []string{
		fmt.Sprintf("gateways: %d, backends: %d, tenants: %d, users: %d", j.gateways, j.backends, len(j.tenants), users),
		"PostgreSQL " + s.Postgres.Version, "Redis " + s.Redis.Version, limits, hashes,
	}
	return strings.Join(append(parts, j.backendEnv...), "; ")
}

// commit names what was measured.
func commit(ctx context.Context, root string) string {
	out, err := exec.CommandContext(ctx, "git", "-C", root, "describe", "--always", "--dirty", "--exclude=*").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

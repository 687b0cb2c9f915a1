package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"gatehouse/loadtest/load"
)

const profileTime = 5 * time.Second

// loaded takes a CPU profile of a system's backend under a load, and what was spent
// meanwhile.
func (s *system) loaded(ctx context.Context, l *load.Load, file string) (spent, error) {
	loading, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		for loading.Err() == nil {
			if _, err := l.Run(loading); err != nil && loading.Err() == nil {
				ended <- err
				return
			}
		}
		ended <- nil
	}()
	before, err := s.spent()
	if err == nil {
		err = fetchProfile(ctx, s.stack.Backends[0].Ops, file)
	}
	after, afterErr := s.spent()
	stop()
	return after.minus(before), errors.Join(err, afterErr, <-ended)
}

func fetchProfile(ctx context.Context, ops, file string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/debug/pprof/profile?seconds=%d", ops, int(profileTime.Seconds())), nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	profile, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return fmt.Errorf("profile: %s: %w", response.Status, err)
	}
	return os.WriteFile(file, profile, 0o644)
}

// profiles writes a profile of an operation in each system.
func (b *bench) profiles(ctx context.Context, o operation) error {
	for _, s := range b.systems {
		name := strings.NewReplacer(" ", "-", ",", "", "=", "-").Replace(s.name + " " + o.statement + ".pprof")
		if _, err := s.loaded(ctx, b.load(s, o, b.requests), filepath.Join(b.profile, name)); err != nil {
			return err
		}
	}
	return nil
}

// signIns measures what part of the CPU time of signing in goes into argon2: of the
// backend's profile, and of what all processes spend.
func (b *bench) signIns(ctx context.Context, r *report) error {
	s := b.systems[0]
	body := s.signInBody()
	l := b.load(s, operation{request: func(s *system, _ int) []byte { return s.request("POST", "/api/v1/auth/login", body) }}, 1000)
	l.Conns = 4
	file := filepath.Join(b.dir, "sign-in.pprof")
	cpu, err := s.loaded(ctx, l, file)
	if err != nil {
		return err
	}
	hashing, all, err := samples(ctx, file, `crypto/argon2\.`)
	if err != nil {
		return err
	}
	r.signIn.backend = hashing / all
	r.signIn.everything = r.signIn.backend * float64(cpu.client) / float64(cpu.client+cpu.postgres+cpu.redis)
	return nil
}

var accounted = regexp.MustCompile(`accounting for ([0-9.]+)(ms|s),.* of ([0-9.]+)(ms|s) total`)

// samples returns how much of a profile has functions like the pattern on its stacks.
func samples(ctx context.Context, file, pattern string) (part, all float64, err error) {
	out, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", "-nodecount=100000", "-nodefraction=0", "-focus="+pattern, file).CombinedOutput()
	m := accounted.FindSubmatch(out)
	if err != nil || m == nil {
		return 0, 0, fmt.Errorf("go tool pprof: %w: %.300s", err, out)
	}
	seconds := func(number, unit []byte) float64 {
		n, _ := strconv.ParseFloat(string(number), 64) // the pattern admits numbers only
		if string(unit) == "ms" {
			n /= 1000
		}
		return n
	}
	return seconds(m[1], m[2]), seconds(m[3], m[4]), nil
}

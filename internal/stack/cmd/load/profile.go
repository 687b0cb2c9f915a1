package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"gatehouse/internal/stack"
)

// profileTime is how long a CPU profile looks.
const profileTime = 15 * time.Second

// profiles takes CPU profiles of the first gateway and the first backend in the
// middle of the run, when they are asked for, and tells at its end how that went.
func (j *job) profiles(ctx context.Context, s *stack.Stack, dir string, length time.Duration) <-chan error {
	done := make(chan error, 1)
	if j.profile == "" {
		done <- nil
		return done
	}
	go func() {
		select {
		case <-ctx.Done():
			done <- errors.New("the run ended before its profiles were taken")
			return
		case <-time.After((length - profileTime) / 2):
		}
		group, groupCtx := errgroup.WithContext(ctx)
		group.Go(func() error {
			return profile(groupCtx, s.Gateways[0].Ops, filepath.Join(dir, "gateway.pprof"))
		})
		group.Go(func() error {
			return profile(groupCtx, s.Backends[0].Ops, filepath.Join(dir, "backend.pprof"))
		})
		done <- group.Wait()
	}()
	return done
}

func profile(ctx context.Context, ops, path string) error {
	url := fmt.Sprintf("%s/debug/pprof/profile?seconds=%.0f", ops, profileTime.Seconds())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("profile: %s: %.200s", response.Status, content)
	}
	return os.WriteFile(path, content, 0o644)
}

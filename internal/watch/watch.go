// Package watch follows the content of a small file, so that what it holds can
// be changed without a restart.
//
// The file is polled and its content compared: that also sees a symbolic link
// that is swapped, as Kubernetes does with mounted secrets, works on every file
// system, and costs one small read each time. Content that is refused, or cannot
// be read, changes nothing: the last good one stays in force.
package watch

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// MaxBytes is the largest file that is read.
const MaxBytes = 1 << 20

// Options is what a watched file is made of.
type Options struct {
	// Name says what the file is, in logs and as the label file of metrics.
	Name string
	Path string
	// Every is how often the file is looked at; each pause is up to a fifth
	// longer or shorter, so that processes do not look all at once.
	Every time.Duration
	// Apply puts new content in force, or says why it is refused. It is never
	// called twice at once. Its error is logged, so it must quote no secret.
	Apply func(content []byte) error
	Log   *slog.Logger
}

// File is a file that is followed. It is safe for concurrent use.
type File struct {
	o          Options
	generation *metrics.Gauge
	stale      *metrics.Gauge
	refused    *metrics.Counter

	mu      sync.Mutex // held for a whole look
	content [sha256.Size]byte
	applied int
	// fault is what the last look found to be wrong: the sum of refused content,
	// or why the file could not be read; "" when nothing was.
	fault string
}

// Open reads the file and puts its content in force. What is wrong with it is
// the error.
func Open(o Options) (*File, error) {
	label := fmt.Sprintf(`{file=%q}`, o.Name)
	f := &File{
		o:          o,
		generation: metrics.GetOrCreateGauge(`config_file_generation`+label, nil),
		stale:      metrics.GetOrCreateGauge(`config_file_stale`+label, nil),
		refused:    metrics.GetOrCreateCounter(`config_file_refused_total` + label),
	}
	err := Check(o.Path, func(content []byte) error {
		err := o.Apply(content)
		if err == nil {
			f.accept(sha256.Sum256(content))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Check reads a file as Open would and asks accept about it.
func Check(path string, accept func(content []byte) error) error {
	content, err := read(path)
	if err != nil {
		return err
	}
	if err := accept(content); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// Run looks at the file again and again until ctx ends.
func (f *File) Run(ctx context.Context) {
	timer := time.NewTimer(f.pause())
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			_ = f.look(false) // logged and counted there
			timer.Reset(f.pause())
		}
	}
}

func (f *File) pause() time.Duration {
	return time.Duration(float64(f.o.Every) * (0.8 + 0.4*rand.Float64())) //nolint:gosec // spreads load, and there is nothing to guess
}

// Reload looks at the file now, and gives content that was refused before
// another chance. The error says why the last good content stays in force.
func (f *File) Reload() error { return f.look(true) }

// Look is one more look than Run does by itself.
func (f *File) Look() error { return f.look(false) }

// look reads the file. What is wrong with it is logged and counted once, and
// again only if retry asks for that.
func (f *File) look(retry bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	content, err := read(f.o.Path)
	if err != nil {
		return f.refuse(err.Error(), retry, err)
	}
	sum := sha256.Sum256(content)
	switch {
	case sum == f.content:
		if f.fault != "" {
			f.o.Log.Info("a watched file is again what it was when it was good", "file", f.o.Name)
		}
		f.fault = ""
		f.stale.Set(0)
		return nil
	case string(sum[:]) == f.fault && !retry:
		return nil
	}
	if err := f.o.Apply(content); err != nil {
		return f.refuse(string(sum[:]), retry, fmt.Errorf("%s: %w", f.o.Path, err))
	}
	f.accept(sum)
	f.o.Log.Info("a watched file was read anew", "file", f.o.Name, "generation", f.applied)
	return nil
}

// accept notes that content is in force.
func (f *File) accept(sum [sha256.Size]byte) {
	f.content = sum
	f.applied++
	f.fault = ""
	f.generation.Set(float64(f.applied))
	f.stale.Set(0)
}

// refuse notes that the last good content stays in force, and why.
func (f *File) refuse(fault string, retry bool, err error) error {
	if fault != f.fault || retry {
		f.refused.Inc()
		f.o.Log.Error("a watched file is refused; its last good content stays in force", "file", f.o.Name, "cause", err)
	}
	f.fault = fault
	f.stale.Set(1)
	return err
}

// read returns the content of a regular file. The path is opened anew each
// time, so it may be a symbolic link that points elsewhere by now.
func read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // to open a pipe would be to wait for a writer
		return nil, fmt.Errorf("%s: is no regular file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(file, MaxBytes+1))
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	if len(content) > MaxBytes {
		return nil, fmt.Errorf("%s: is larger than %d bytes", path, MaxBytes)
	}
	return content, nil
}

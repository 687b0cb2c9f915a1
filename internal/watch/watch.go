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

// ErrNotYet says, wrapped by an error of Apply, that the same content may be
// good later: it is asked about again at each look, and not only when it
// changes.
var ErrNotYet = errors.New("not yet")

// Options is what a watched file is made of.
type Options struct {
	// Name says what the file is, in logs and as the label file of metrics.
	Name string
	Path string
	// Also are further files that mean something only together with the first,
	// such as a certificate's key. Their content follows, each after a line feed.
	Also []string
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
	// notYet says that what was refused is asked about again.
	notYet bool
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
	}, o.Also...)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Check reads a file, and those that belong to it, as Open would and asks accept
// about the content.
func Check(path string, accept func(content []byte) error, also ...string) error {
	content, err := readAll(path, also)
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
	content, err := readAll(f.o.Path, f.o.Also)
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
	case string(sum[:]) == f.fault && !retry && !f.notYet:
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
	f.notYet = errors.Is(err, ErrNotYet)
	f.stale.Set(1)
	return err
}

// readAll returns the content of a file and of those that belong to it.
func readAll(path string, also []string) ([]byte, error) {
	content, err := read(path)
	for _, path := range also {
		var more []byte
		if err == nil {
			more, err = read(path)
		}
		content = append(append(content, '\n'), more...)
	}
	return content, err
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

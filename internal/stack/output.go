package stack

import (
	"bytes"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// outputLimit bounds what is remembered of one process's output, in bytes.
const outputLimit = 4 << 20

// quotedLines is how many of its last lines stand in a message about a process.
const quotedLines = 12

// quotedCrash is how many lines of a crash do: its reason, and where it happened.
const quotedCrash = 6

// calm matches log lines that are of no interest in trouble.
var calm = regexp.MustCompile(`\blevel=(INFO|DEBUG)|"level":"(INFO|DEBUG)`)

// An output takes what a process writes: it remembers the end of it, copies
// all of it to a file and whole lines, marked with the process's name, to a
// log that several processes share.
type output struct {
	prefix string    // of the lines in log
	file   io.Writer // nil: none
	log    io.Writer // nil: none

	mu   sync.Mutex
	tail []byte
	line []byte // the beginning of a line whose end has not come
}

// Write never fails: a log that cannot be written must not stop the process.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tail = append(o.tail, b...)
	if len(o.tail) > 2*outputLimit {
		o.tail = append([]byte(nil), o.tail[len(o.tail)-outputLimit:]...)
	}
	if o.file != nil {
		_, _ = o.file.Write(b)
	}
	if o.log != nil {
		o.lines(b)
	}
	return len(b), nil
}

func (o *output) lines(b []byte) {
	for {
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			o.line = append(o.line, b...)
			return
		}
		o.emit(append(o.line, b[:end]...))
		o.line = o.line[:0]
		b = b[end+1:]
	}
}

func (o *output) emit(line []byte) {
	_, _ = io.WriteString(o.log, o.prefix+string(line)+"\n")
}

// flush emits a last line that has no end.
func (o *output) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.log != nil && len(o.line) > 0 {
		o.emit(o.line)
		o.line = nil
	}
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.tail[max(0, len(o.tail)-outputLimit):])
}

// quote returns what tells why the process is in trouble, indented, to stand
// below a message: the beginning of its last crash, or the last lines, of which
// those that say that all is well are left out.
func (o *output) quote() string {
	text := strings.TrimSpace(o.String())
	if text == "" {
		return ""
	}
	lines := strings.Split(text, "\n")
	if crash := lastCrash(lines); crash >= 0 {
		lines = lines[crash:min(crash+quotedCrash, len(lines))]
	} else if telling := slices.DeleteFunc(slices.Clone(lines), calm.MatchString); len(telling) > 0 {
		lines = telling
	}
	return ":\n    " + strings.Join(lines[max(0, len(lines)-quotedLines):], "\n    ")
}

// lastCrash returns the index of the line with which a Go program's last crash
// begins, or -1. The stacks of all goroutines follow it.
func lastCrash(lines []string) int {
	for i, line := range slices.Backward(lines) {
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			return i
		}
	}
	return -1
}

// A lineLog lets several outputs share one writer.
type lineLog struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lineLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

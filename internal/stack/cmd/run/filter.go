package main

import (
	"bytes"
	"io"
	"regexp"
)

// A filter passes on to the terminal what a person has to see: warnings and
// errors of gateways and backends, and what is no log line at all, such as the
// reason of a crash, but not the stacks that follow it. Everything stands in the
// log files.
type filter struct {
	w       io.Writer
	all     bool
	crashed map[string]bool // by process, until it writes a log line again
}

var (
	quiet = regexp.MustCompile(`\blevel=(INFO|DEBUG)|"level":"(INFO|DEBUG)`)
	ours  = regexp.MustCompile(`^(gateway|backend)[-\d]* \| `)
	dire  = regexp.MustCompile(`^postgres \| .*\bPANIC: `)
	crash = regexp.MustCompile(`^\S+ \| (panic|fatal error): `)
	entry = regexp.MustCompile(`\blevel=[A-Z]|"level":"`)
)

// Write takes one line, as [stack.Options] promises for its log.
func (f *filter) Write(line []byte) (int, error) {
	if f.all || dire.Match(line) || ours.Match(line) && !quiet.Match(line) && !f.ofStack(line) {
		return f.w.Write(line)
	}
	return len(line), nil
}

// ofStack reports whether a line belongs to what a process writes behind the
// reason of its crash.
func (f *filter) ofStack(line []byte) bool {
	name, _, _ := bytes.Cut(line, []byte(" | "))
	switch {
	case crash.Match(line):
		if f.crashed == nil {
			f.crashed = map[string]bool{}
		}
		f.crashed[string(name)] = true
		return false
	case entry.Match(line):
		delete(f.crashed, string(name))
	}
	return f.crashed[string(name)]
}

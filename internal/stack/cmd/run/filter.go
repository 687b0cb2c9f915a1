package main

import (
	"io"
	"regexp"
)

// A filter passes on to the terminal what a person has to see: warnings and
// errors of gateways and backends, and what is no log line at all, such as a
// panic. Everything stands in the log files.
type filter struct {
	w   io.Writer
	all bool
}

var (
	quiet = regexp.MustCompile(`\blevel=(INFO|DEBUG)|"level":"(INFO|DEBUG)`)
	ours  = regexp.MustCompile(`^(gateway|backend)[-\d]* \| `)
	dire  = regexp.MustCompile(`^postgres \| .*\bPANIC: `)
)

// Write takes one line, as [stack.Options] promises for its log.
func (f *filter) Write(line []byte) (int, error) {
	if f.all || dire.Match(line) || ours.Match(line) && !quiet.Match(line) {
		return f.w.Write(line)
	}
	return len(line), nil
}

package stack

import (
	"fmt"
	"io"
	"strings"
)

// say writes a line about what goes on to w, which may be nil.
func say(w io.Writer, format string, args ...any) {
	if w != nil {
		_, _ = fmt.Fprintf(w, format+"\n", args...)
	}
}

// headline returns the first line of err's text, without what stands below it.
func headline(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return strings.TrimSuffix(line, ":")
}

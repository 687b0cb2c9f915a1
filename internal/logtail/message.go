package logtail

import (
	"strconv"
	"strings"
)

// A message is some lines of one process, each with its line break, after a line
// with the process's own random name and the position of the first of them among
// all its lines that were wanted.
func appendHead(b []byte, name string, at uint64) []byte {
	b = append(b, name...)
	b = append(b, ' ')
	b = strconv.AppendUint(b, at, 10)
	return append(b, '\n')
}

// parseHead reports false for what is no message.
func parseHead(message string) (name string, at uint64, lines string, ok bool) {
	head, lines, ok := strings.Cut(message, "\n")
	name, number, both := strings.Cut(head, " ")
	at, err := strconv.ParseUint(number, 10, 64)
	return name, at, lines, ok && both && name != "" && err == nil
}

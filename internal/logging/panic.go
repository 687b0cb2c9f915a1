package logging

import (
	"errors"
	"fmt"
	"runtime"
)

// Panicked returns what a log may say of what a panic was called with: the text
// of the runtime's own errors, which hold types and numbers, and only the type of
// everything else. Whoever panics with what a client has sent does not know that
// it is logged; where it was stands in the stack.
func Panicked(value any) string {
	var fault runtime.Error
	if err, ok := value.(error); ok && errors.As(err, &fault) {
		return fault.Error()
	}
	return fmt.Sprintf("a panic with a value of type %T", value)
}

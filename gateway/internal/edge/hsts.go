package edge

import (
	"fmt"
	"regexp"
)

// HSTS is a value of Strict-Transport-Security (RFC 6797 section 6.1). Its zero
// value sends none.
type HSTS struct{ value string }

var hstsForm = regexp.MustCompile(`^max-age=[0-9]{1,10}(; includeSubDomains)?(; preload)?$`)

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *HSTS) UnmarshalText(text []byte) error {
	switch {
	case string(text) == "off":
		h.value = ""
	case hstsForm.Match(text):
		h.value = string(text)
	default:
		return fmt.Errorf("%q is no value of Strict-Transport-Security", text)
	}
	return nil
}

// String is the text form.
func (h HSTS) String() string {
	if h.value == "" {
		return "off"
	}
	return h.value
}

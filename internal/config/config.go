// Package config turns environment variables into validated settings.
//
// A process describes its settings as one struct whose fields carry tags:
//
//	env:"NAME"        the variable
//	envDefault:"…"    the production default
//	doc:"…"           one sentence for the operator
//	example:"…"       a value shown in .env.example
//
// A field of type [Secret] may also be given as NAME_FILE, the path of a file
// that holds it. [Load] reports every mistake at once, so an operator mends a
// configuration in one go.
package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/caarlos0/env/v11"
)

// The two values of APP_ENV.
const (
	Production  = "production"
	Development = "development"
)

// Checked is implemented by settings structs. Validate reports what is wrong
// with values that were readable but make no sense.
type Checked interface {
	Validate(m *Mistakes)
}

// Load fills dst, a pointer to a settings struct, from environ (as from
// [os.Environ]) and validates it. The error, if any, is a *[Mistakes].
func Load(dst Checked, environ []string) error {
	m := &Mistakes{}
	fields := Fields(dst)
	vars := environment(environ)
	readSecretFiles(fields, vars, m)

	for _, f := range fields {
		readField(f, vars, m)
	}
	dst.Validate(m)
	if len(m.list) > 0 {
		return m
	}
	return nil
}

func environment(environ []string) map[string]string {
	vars := make(map[string]string, len(environ))
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		// An empty variable means "not set", so that compose files and shells
		// can pass VAR= and get the default.
		if value != "" {
			vars[name] = value
		}
	}
	return vars
}

// readSecretFiles replaces NAME_FILE by NAME for every secret.
func readSecretFiles(fields []Field, vars map[string]string, m *Mistakes) {
	for _, f := range fields {
		path, ok := vars[f.Name+"_FILE"]
		if !f.Secret || !ok {
			continue
		}
		if _, both := vars[f.Name]; both {
			m.Add(f.Name, "is given both directly and as %s_FILE; give one of them", f.Name)
			continue
		}
		content, err := os.ReadFile(path)
		if err != nil {
			var pathErr *os.PathError
			if errors.As(err, &pathErr) {
				err = pathErr.Err
			}
			m.Add(f.Name, "cannot be read from %s_FILE=%s: %v", f.Name, path, err)
			continue
		}
		value := strings.TrimRight(string(content), "\r\n")
		if value == "" {
			m.Add(f.Name, "is empty in %s_FILE=%s", f.Name, path)
			continue
		}
		vars[f.Name] = value
	}
}

// readField reads one variable, or its default, into its field. Each field is
// read alone, because the env package reports the Go name of a field that it
// cannot read, and several parts of a configuration may have a Timeout.
func readField(f Field, vars map[string]string, m *Mistakes) {
	alone := reflect.New(reflect.StructOf([]reflect.StructField{f.declared}))
	field := alone.Elem().Field(0)
	field.Set(f.value)
	err := env.ParseWithOptions(alone.Interface(), env.Options{Environment: vars})
	var unreadable env.ParseError
	switch {
	case err == nil:
		f.value.Set(field)
	case !errors.As(err, &unreadable):
		m.Add(f.Name, "cannot be read: %v", err)
	case f.Secret:
		m.Add(f.Name, "cannot be read; %s is wanted", f.Kind)
	default:
		m.Add(f.Name, "is %q; %s is wanted%s", vars[f.Name], f.Kind, reasonOf(unreadable.Err))
	}
}

// reasonOf keeps the reason that one of our own UnmarshalText methods gives;
// the messages of strconv and time add nothing to the kind.
func reasonOf(err error) string {
	var own interface{ SettingReason() string }
	if errors.As(err, &own) {
		return ": " + own.SettingReason()
	}
	return ""
}

// Mistakes collects what is wrong with a configuration, in the order found,
// at most one for each variable.
type Mistakes struct {
	// Production makes the checks strict; set by the struct's Validate before
	// it asks its parts.
	Production bool

	list []mistake
}

type mistake struct{ name, reason string }

// Add records a mistake. The reason says what is wrong and what is allowed,
// and must not repeat a secret.
func (m *Mistakes) Add(name, format string, args ...any) {
	for _, e := range m.list {
		if e.name == name {
			return
		}
	}
	m.list = append(m.list, mistake{name, fmt.Sprintf(format, args...)})
}

// Error lists all mistakes, one a line.
func (m *Mistakes) Error() string {
	var b strings.Builder
	if len(m.list) == 1 {
		b.WriteString("1 setting is wrong:")
	} else {
		fmt.Fprintf(&b, "%d settings are wrong:", len(m.list))
	}
	for _, e := range m.list {
		fmt.Fprintf(&b, "\n  %s %s", e.name, e.reason)
	}
	return b.String()
}

// Names returns the variables that are wrong.
func (m *Mistakes) Names() []string {
	names := make([]string, len(m.list))
	for i, e := range m.list {
		names[i] = e.name
	}
	return names
}

// Mode checks the value of APP_ENV and sets m.Production accordingly.
func (m *Mistakes) Mode(appEnv string) {
	m.Production = appEnv != Development
	if appEnv != Production && appEnv != Development {
		m.Add("APP_ENV", "is %q; production or development is wanted", appEnv)
	}
}

// Range checks that a number lies within [low, high].
func (m *Mistakes) Range(name string, value, low, high int) {
	if value < low || value > high {
		m.Add(name, "is %d; %d to %d is allowed", value, low, high)
	}
}

// Required checks that a value is there.
func (m *Mistakes) Required(name, value, hint string) {
	if value == "" {
		m.Add(name, "is missing; %s", hint)
	}
}

var secretType = reflect.TypeFor[Secret]()

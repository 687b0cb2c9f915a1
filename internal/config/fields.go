package config

import (
	"encoding"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"time"
)

// Field describes one setting for documents and summaries.
type Field struct {
	Name    string `json:"name"` // environment variable
	Kind    string `json:"kind"` // what a value looks like, such as "a duration such as 10s"
	Default string `json:"default,omitempty"`
	Doc     string `json:"doc"`
	Example string `json:"example,omitempty"`
	Secret  bool   `json:"secret,omitempty"`

	declared reflect.StructField
	value    reflect.Value
}

// Fields lists the settings of a struct in declaration order, nested structs
// included.
func Fields(settings any) []Field {
	return appendFields(nil, reflect.Indirect(reflect.ValueOf(settings)))
}

func appendFields(list []Field, v reflect.Value) []Field {
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		if !sf.IsExported() {
			continue
		}
		name, _, _ := strings.Cut(sf.Tag.Get("env"), ",")
		if name == "" {
			if sf.Type.Kind() == reflect.Struct {
				list = appendFields(list, v.Field(i))
			}
			continue
		}
		list = append(list, Field{
			Name:    name,
			Kind:    kindOf(sf),
			Default: sf.Tag.Get("envDefault"),
			Doc:     sf.Tag.Get("doc"),
			Example: sf.Tag.Get("example"),
			Secret:  sf.Type == secretType,
			// Only what reflect.StructOf needs to make a struct of it alone.
			declared: reflect.StructField{Name: sf.Name, Type: sf.Type, Tag: sf.Tag},
			value:    v.Field(i),
		})
	}
	return list
}

func kindOf(sf reflect.StructField) string {
	if kind := sf.Tag.Get("kind"); kind != "" {
		return kind
	}
	switch t := sf.Type; {
	case t == secretType:
		return "a secret"
	case t == reflect.TypeFor[time.Duration]():
		return "a duration such as 10s"
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return "text" // the type knows its form; a kind tag names it
	}
	switch k := sf.Type.Kind(); {
	case k == reflect.Bool:
		return "true or false"
	case reflect.Int <= k && k <= reflect.Int64:
		return "a whole number"
	case reflect.Uint <= k && k <= reflect.Uint64:
		return "a whole number, not negative"
	case k == reflect.Float32, k == reflect.Float64:
		return "a number"
	case k == reflect.Slice:
		return "a comma-separated list"
	}
	return "text"
}

// Summary returns the effective settings for the start-up log; secrets show
// only whether they are set, and settings without a value are left out.
func Summary(settings any) []slog.Attr {
	var attrs []slog.Attr
	for _, f := range Fields(settings) {
		if f.value.IsZero() && f.Default == "" {
			continue
		}
		if f.Secret {
			attrs = append(attrs, slog.String(f.Name, redacted))
		} else {
			attrs = append(attrs, slog.String(f.Name, fmt.Sprint(f.value.Interface())))
		}
	}
	return attrs
}

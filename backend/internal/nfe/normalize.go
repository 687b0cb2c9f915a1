package nfe

import (
	"reflect"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// Normalize brings the text of a document, or of one of its parts, to the form in
// which it is checked and stored: NFC, without outer white space, lines ended by
// \n, CNPJ and CPF without separators. part is a pointer to a struct of this
// package. The opaque groups stay as they are, but for null, which is absent.
func Normalize(part any) { normalize(reflect.ValueOf(part).Elem()) }

func normalize(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		if s := v.String(); s != "" {
			v.SetString(tidy(s))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			normalize(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			normalize(v.Field(i))
			if name := v.Type().Field(i).Tag.Get("json"); strings.HasPrefix(name, "cnpj") || strings.HasPrefix(name, "cpf,") {
				v.Field(i).SetString(separators.Replace(v.Field(i).String()))
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 { // an opaque group
			if string(v.Bytes()) == "null" {
				v.SetBytes(nil)
			}
			return
		}
		for i := range v.Len() {
			normalize(v.Index(i))
		}
	}
}

var separators = strings.NewReplacer(".", "", "/", "", "-", "")

func tidy(s string) string {
	return strings.TrimSpace(strings.ReplaceAll(norm.NFC.String(s), "\r\n", "\n"))
}

package invoice

import (
	"bytes"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gatehouse/backend/internal/nfe"
	"gatehouse/internal/problem"
)

// widths are the lengths of columns whose values the rules find fault with, but
// which a draft could hold if they were shorter.
var widths = map[reflect.Type]map[string]int{
	reflect.TypeFor[nfe.Document]():  {"justificativa_contingencia": 255},
	reflect.TypeFor[nfe.Item]():      {"ean": 14, "ncm": 8, "cest": 7, "cfop": 4},
	reflect.TypeFor[nfe.Transport](): {"uf": 2, "uf_veiculo": 2, "cfop": 4, "codigo_municipio": 7, "inscricao_estadual": 14},
	reflect.TypeFor[nfe.Reference](): {"uf": 2, "mes_ano": 4, "cnpj": 14, "modelo": 2, "serie": 3, "numero": 9},
}

// maxOffset is the longest that a database keeps a moment with; none in use is
// longer than 14 hours.
const maxOffset = 15 * time.Hour

// unfit returns the values of a document that its row cannot hold: too long for
// their columns, with control characters, or moments in offsets that there are not.
func unfit(d *nfe.Document) []problem.Field {
	var f fitter
	f.walk(reflect.ValueOf(d).Elem(), func() string { return "" })
	f.moment("/data_emissao", d.DataEmissao)
	f.moment("/data_saida_entrada", d.DataSaidaEntrada)
	return f.fields
}

type fitter struct{ fields []problem.Field }

func (f *fitter) add(pointer, rule, format string, args ...any) {
	f.fields = append(f.fields, problem.Field{Name: pointer, Code: rule, Message: fmt.Sprintf(format, args...)})
}

// walk looks at every text of a struct. At is where that is, which is worth
// telling only of what is found.
func (f *fitter) walk(v reflect.Value, at func() string) {
	bounds := widths[v.Type()]
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		pointer := func() string { return at() + "/" + name }
		switch value := v.Field(i); {
		case len(f.fields) >= maxFields:
			return
		case field.Anonymous:
			f.walk(value, at)
		case value.Kind() == reflect.String:
			f.text(pointer, value.String(), bounds[name])
		case value.Kind() == reflect.Pointer && !value.IsNil():
			f.walk(value.Elem(), pointer)
		case value.Kind() == reflect.Slice && value.Type().Elem().Kind() == reflect.Struct:
			for n := range value.Len() {
				f.walk(value.Index(n), func() string { return pointer() + "/" + strconv.Itoa(n) })
			}
		case value.Kind() == reflect.Slice && bytes.Contains(value.Bytes(), []byte(`\u0000`)):
			f.add(pointer(), "text.control", "must not hold the control character U+0000")
		}
	}
}

func (f *fitter) text(pointer func() string, s string, width int) {
	if width > 0 && utf8.RuneCountInString(s) > width {
		f.add(pointer(), "text.length", "must have at most %d characters", width)
	}
	for _, r := range s {
		if unicode.IsControl(r) && r != '\t' && r != '\n' {
			f.add(pointer(), "text.control", "must not hold the control character U+%04X", r)
			return
		}
	}
}

func (f *fitter) moment(pointer string, t nfe.Timestamp) {
	at, _ := t.Time()
	_, seconds := at.Zone()
	if offset := time.Duration(seconds) * time.Second; offset.Abs() > maxOffset {
		f.add(pointer, "date.form", "must have an offset of at most 15 hours")
	}
}

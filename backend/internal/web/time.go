package web

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Time is a moment as answers show it: RFC 3339 in UTC with milliseconds.
type Time struct{ time.Time }

// MarshalJSONTo implements json.MarshalerTo.
func (t Time) MarshalJSONTo(e *jsontext.Encoder) error {
	b := append(e.AvailableBuffer(), '"')
	b = t.UTC().AppendFormat(b, time.RFC3339) // which is quick, as no other layout with a time is
	ms := t.Nanosecond() / int(time.Millisecond)
	b = append(b[:len(b)-1], '.', digit(ms/100), digit(ms/10), digit(ms), 'Z', '"')
	return e.WriteValue(b)
}

func digit(n int) byte { return byte('0' + n%10) }

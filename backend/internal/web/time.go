package web

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Time is a moment as answers show it: RFC 3339 in UTC with milliseconds.
type Time struct{ time.Time }

// MarshalJSONTo implements json.MarshalerTo.
func (t Time) MarshalJSONTo(e *jsontext.Encoder) error {
	return e.WriteValue(t.UTC().AppendFormat(e.AvailableBuffer(), `"2006-01-02T15:04:05.000Z07:00"`))
}

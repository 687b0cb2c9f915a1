package problem

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// ContentType of a problem answer (RFC 9457 section 3).
const ContentType = "application/problem+json"

// TypePrefix precedes the code in a problem's type URI.
const TypePrefix = "urn:gatehouse:problem:"

// AppendJSON appends the problem as a JSON object. Instance is the path of the
// request, without its query.
func (e *Error) AppendJSON(b []byte, instance, requestID string) []byte {
	detail := e.Detail
	if detail == "" {
		detail = e.Code.Detail()
	}
	b = append(b, `{"type":`...)
	b = appendString(b, TypePrefix+string(e.Code))
	b = append(b, `,"title":`...)
	b = appendString(b, e.Code.Title())
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(e.Code.Status()), 10)
	b = append(b, `,"detail":`...)
	b = appendString(b, detail)
	b = append(b, `,"instance":`...)
	b = appendString(b, instance)
	b = append(b, `,"code":`...)
	b = appendString(b, string(e.Code))
	b = append(b, `,"message":`...)
	b = appendString(b, detail)
	b = append(b, `,"request_id":`...)
	b = appendString(b, requestID)
	b = append(b, `,"errors":[`...)
	for i, f := range e.Fields {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"field":`...)
		b = appendString(b, f.Name)
		b = append(b, `,"code":`...)
		b = appendString(b, f.Code)
		b = append(b, `,"message":`...)
		b = appendString(b, f.Message)
		b = append(b, '}')
	}
	return append(b, "]}"...)
}

// appendString quotes s. Bytes that are not valid UTF-8 become U+FFFD, so the
// answer is valid JSON whatever the request held.
func appendString(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s)
	return b
}

package logging

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Log writes a line that is written for every request, with its own time. It
// reads as if log had written it, and costs a fraction of that: it knows no
// source, and it may be on its way for up to a tenth of a second before the
// output gets it, together with those that came meanwhile. The attributes are not
// kept, and their keys, which a program chooses, need no escapes. A log that was
// not opened by [Open], or not as JSON, writes it itself.
func Log(log *slog.Logger, at time.Time, level slog.Level, message string, attrs []slog.Attr) {
	ctx := context.Background()
	if !log.Enabled(ctx, level) {
		return
	}
	h, ok := log.Handler().(*handler)
	if !ok || h.slow {
		log.LogAttrs(ctx, level, message, attrs...)
		return
	}
	line := lines.Get().(*[]byte)
	b := (*line)[:0]
	b = append(b, `{"time":"`...)
	b = at.AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","level":"`...)
	b = append(b, level.String()...)
	b = append(b, `","msg":`...)
	b = appendString(b, message)
	b = append(b, h.own...)
	b = appendAttrs(b, attrs)
	b = append(b, "}\n"...)
	h.w.writeSoon(b)
	h.tail.line(b)
	if cap(b) <= maxKeptLine {
		*line = b
		lines.Put(line)
	}
}

// maxKeptLine is the largest buffer that is used again.
const maxKeptLine = 16 << 10

var lines = sync.Pool{New: func() any { return new([]byte) }}

// handler is slog's handler, together with what [Log] needs to write lines of the
// same form.
type handler struct {
	slog.Handler
	w    *Writer
	tail *Tail
	own  []byte // the attributes that every line has, as JSON, each after a comma
	slow bool   // as text, or in a group, which Log leaves to slog
}

func newHandler(w *Writer, level slog.Level, text bool) *handler {
	h := &handler{w: w, tail: &Tail{}, slow: text}
	options := &slog.HandlerOptions{Level: level}
	if !text {
		h.Handler = slog.NewJSONHandler(io.MultiWriter(w, h.tail), options)
		return h
	}
	h.Handler = slog.NewMultiHandler(slog.NewTextHandler(w, options),
		slog.NewJSONHandler(h.tail, &slog.HandlerOptions{Level: tailLevel{h.tail, level}}))
	return h
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	with.Handler = h.Handler.WithAttrs(attrs)
	with.own = appendAttrs(h.own[:len(h.own):len(h.own)], attrs)
	return &with
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	with := *h
	with.Handler = h.Handler.WithGroup(name)
	with.slow = with.slow || name != ""
	return &with
}

func appendAttrs(b []byte, attrs []slog.Attr) []byte {
	for i := range attrs {
		b = append(b, ',', '"')
		b = append(b, attrs[i].Key...)
		b = append(b, '"', ':')
		b = appendValue(b, attrs[i].Value)
	}
	return b
}

func appendValue(b []byte, v slog.Value) []byte {
	switch v.Kind() {
	case slog.KindString:
		return appendString(b, v.String())
	case slog.KindInt64:
		return strconv.AppendInt(b, v.Int64(), 10)
	case slog.KindUint64:
		return strconv.AppendUint(b, v.Uint64(), 10)
	case slog.KindBool:
		return strconv.AppendBool(b, v.Bool())
	case slog.KindDuration: // as slog does: nanoseconds
		return strconv.AppendInt(b, int64(v.Duration()), 10)
	case slog.KindFloat64:
		if f := v.Float64(); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return appendFloat(b, f)
		}
	}
	return appendAny(b, v.Resolve().Any())
}

// appendAny writes what is not for every request.
func appendAny(b []byte, value any) []byte {
	if err, ok := value.(error); ok {
		return appendString(b, err.Error())
	}
	text, err := json.Marshal(value)
	if err != nil {
		return appendString(b, "!ERROR:"+err.Error())
	}
	return append(b, text...)
}

// appendString writes a string in quotes.
func appendString(b []byte, s string) []byte {
	if !isPlain(s) {
		// What is not UTF-8 is replaced, which the error tells.
		b, _ = jsontext.AppendQuote(b, s)
		return b
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// isPlain reports whether a string consists of ASCII that needs no escape. It
// looks at eight bytes at a time, in which a high bit marks one that does.
func isPlain(s string) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	for len(s) >= 8 {
		w := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
		quote, slash, del := w^ones*'"', w^ones*'\\', w^ones*0x7f
		// A byte below n turns negative when n is taken off it, as zero does at one.
		// What is marked without need follows one that is marked rightly.
		if (w|(w-ones*' ')|(quote-ones)|(slash-ones)|(del-ones))&high != 0 {
			return false
		}
		s = s[8:]
	}
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// appendFloat appends the shortest text that means f. Most are times in
// milliseconds with microseconds behind the point.
func appendFloat(b []byte, f float64) []byte {
	const most = 1e9
	n := int64(f*1000 + 0.5)
	if f < 0 || f >= most || float64(n)/1000 != f {
		return strconv.AppendFloat(b, f, 'f', -1, 64)
	}
	b = strconv.AppendInt(b, n/1000, 10)
	if n %= 1000; n == 0 {
		return b
	}
	b = append(b, '.', byte('0'+n/100), byte('0'+n/10%10), byte('0'+n%10))
	for b[len(b)-1] == '0' {
		b = b[:len(b)-1]
	}
	return b
}

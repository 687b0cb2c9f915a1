package web

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"
	"golang.org/x/text/unicode/norm"

	"gatehouse/internal/problem"
)

// Bounds of a page.
const (
	defaultLimit = 50
	maxLimit     = 500
)

// List is the request for one page of a list. Its methods read the filters;
// [List.Err] then reports every finding, unknown parameters included.
type List struct {
	// Limit is the number of rows wanted, 1 to 500.
	Limit int32
	// Sort is the field to sort by; Desc reverses the order.
	Sort string
	Desc bool
	// Count says that the client wants the number of all rows that match, see
	// [List.Tally].
	Count bool
	total *int64

	r        *Request
	params   map[string]string
	filters  []string // name=value of the filters given, in a fixed order
	findings []problem.Field
}

// List reads limit, cursor and sort. Sorts are the allowed sort fields, the
// default first; a default with a leading - is a descending order.
func (r *Request) List(sorts ...string) *List {
	l := r.Query()
	l.Limit = defaultLimit
	if n := l.Int("limit", 1, maxLimit); n != nil {
		l.Limit = *n
	}
	l.filters = nil // the limit may change from page to page

	sort, ok := l.take("sort")
	if !ok {
		sort = sorts[0]
	}
	l.Sort, l.Desc = strings.TrimPrefix(sort, "-"), strings.HasPrefix(sort, "-")
	fields := append([]string{strings.TrimPrefix(sorts[0], "-")}, sorts[1:]...)
	if !slices.Contains(fields, l.Sort) {
		l.add("sort", "invalid_value", "must be one of "+strings.Join(fields, ", ")+", with - before it for descending order")
	}
	return l
}

func (l *List) add(name, code, message string) {
	l.findings = append(l.findings, problem.Field{Name: name, Code: code, Message: message})
}

// take removes a parameter from those that are not known yet.
func (l *List) take(name string) (string, bool) {
	value, ok := l.params[name]
	delete(l.params, name)
	return value, ok
}

// Int reads a whole number within [low, high]; nil when it is not given.
func (l *List) Int(name string, low, high int32) *int32 {
	text, ok := l.take(name)
	if !ok {
		return nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || int32(n) < low || int32(n) > high || strconv.FormatInt(n, 10) != text {
		l.add(name, "out_of_range", fmt.Sprintf("must be a whole number from %d to %d", low, high))
		return nil
	}
	l.filters = append(l.filters, name+"="+text)
	v := int32(n)
	return &v
}

// Choice reads one of the given words; "" when it is not given.
func (l *List) Choice(name string, words ...string) string {
	text, ok := l.take(name)
	if !ok {
		return ""
	}
	if !slices.Contains(words, text) {
		l.add(name, "invalid_value", "must be one of "+strings.Join(words, ", "))
		return ""
	}
	l.filters = append(l.filters, name+"="+text)
	return text
}

// Bool reads true or false; nil when it is not given.
func (l *List) Bool(name string) *bool {
	text := l.Choice(name, "true", "false")
	if text == "" {
		return nil
	}
	v := text == "true"
	return &v
}

// Text reads one line of text of low to high code points, in NFC and without
// outer white space; "" when it is not given.
func (l *List) Text(name string, low, high int) string {
	text, ok := l.take(name)
	if !ok {
		return ""
	}
	text = strings.TrimSpace(norm.NFC.String(text))
	if strings.ContainsFunc(text, unicode.IsControl) {
		l.add(name, "control_character", "must not hold control characters")
		return ""
	}
	if n := utf8.RuneCountInString(text); n < low || n > high {
		l.add(name, "out_of_range", fmt.Sprintf("must have %d to %d characters", low, high))
		return ""
	}
	l.filters = append(l.filters, name+"="+text)
	return text
}

// Time reads a moment in UTC in the form of RFC 3339, such as answers show; nil
// when it is not given.
func (l *List) Time(name string) *time.Time {
	text, ok := l.take(name)
	if !ok {
		return nil
	}
	v, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || v.Year() < 1 || !strings.HasSuffix(text, "Z") {
		l.add(name, "invalid_format", "must be a moment in UTC such as 2026-11-22T09:30:00Z (RFC 3339)")
		return nil
	}
	l.filters = append(l.filters, name+"="+v.UTC().Format(time.RFC3339Nano))
	return &v
}

// UUID reads a UUID in its usual form; nil when it is not given.
func (l *List) UUID(name string) *uuid.UUID {
	text, ok := l.take(name)
	if !ok {
		return nil
	}
	v, err := uuid.Parse(text)
	if err != nil || len(text) != 36 {
		l.add(name, "invalid_format", "must be a UUID")
		return nil
	}
	l.filters = append(l.filters, name+"="+v.String())
	return &v
}

// CountExact reads count=exact into Count. Lists that can count call it.
func (l *List) CountExact() {
	filters := l.filters
	l.Count = l.Choice("count", "exact") != ""
	l.filters = filters // it may change from page to page
}

// Tally puts the number of all rows that match into the page's metadata, where the
// client wants it.
func (l *List) Tally(count func() (int64, error)) error {
	if !l.Count {
		return nil
	}
	n, err := count()
	l.total = &n
	return err
}

// Start reads the cursor into position, which keeps its value on the first
// page. It must be called after all filters and reports every finding.
func (l *List) Start(position any) error {
	cursor, ok := l.take("cursor")
	if err := l.Err(); err != nil {
		return err
	}
	if !ok {
		return nil
	}
	return l.r.cursors.open(l.scope(), cursor, position)
}

// scope binds cursors to tenant, route, filters and order.
func (l *List) scope() []byte {
	h := sha256.New()
	for _, part := range append([]string{l.r.Caller.Tenant, l.r.route, l.Sort, strconv.FormatBool(l.Desc)}, l.filters...) {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return h.Sum(nil)
}

// Key names the page that is asked for, from a position on, among all of the
// tenant: pages with one key hold the same rows in the same form.
func (l *List) Key(position any) (string, error) {
	encoded, err := json.Marshal(position)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%x %d %t %s", l.scope(), l.Limit, l.Count, encoded)
	return hex.EncodeToString(h.Sum(nil)), nil
}

// listMetadata is the metadata of a page.
type listMetadata struct {
	Limit      int32   `json:"limit"`
	Count      int     `json:"count"`
	HasMore    bool    `json:"has_more"`
	NextCursor *string `json:"next_cursor"`
	Total      *int64  `json:"total,omitempty"`
}

// Page answers with a page of rows, of which there may be one more than the
// limit: that one only tells that more follow. Position gives the cursor's
// position after a row, view its form in the answer.
func Page[Row, View any](l *List, rows []Row, view func(Row) View, position func(Row) any) error {
	body, err := EncodePage(l, rows, view, position)
	if err != nil {
		return err
	}
	l.r.Encoded(Answer{}, body)
	return nil
}

// EncodePage returns the body of the answer that [Page] writes.
func EncodePage[Row, View any](l *List, rows []Row, view func(Row) View, position func(Row) any) ([]byte, error) {
	meta := listMetadata{Limit: l.Limit, Total: l.total}
	if len(rows) > int(l.Limit) {
		rows = rows[:l.Limit]
		cursor, err := l.r.cursors.seal(l.scope(), position(rows[len(rows)-1]))
		if err != nil {
			return nil, err
		}
		meta.HasMore, meta.NextCursor = true, &cursor
	}
	meta.Count = len(rows)
	data := make([]View, len(rows))
	for i, row := range rows {
		data[i] = view(row)
	}
	return json.Marshal(envelope{Message: "ok", Data: data, Metadata: meta})
}

// noQuery refuses any query parameter.
func (r *Request) noQuery() error {
	if r.ctx.QueryArgs().Len() == 0 {
		return nil
	}
	p := problem.New(problem.InvalidQuery)
	for key := range r.ctx.QueryArgs().All() {
		if len(p.Fields) < maxFindings {
			p.Fields = append(p.Fields, problem.Field{Name: clean(string(key), 100), Code: "unknown_parameter",
				Message: "this operation takes no query parameters"})
		}
	}
	return p
}

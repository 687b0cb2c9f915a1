package web

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"gatehouse/internal/problem"
)

// requestWith is a request with headers, name and value in turns.
func requestWith(headers ...string) *Request {
	r := &Request{ctx: &fasthttp.RequestCtx{}}
	for i := 0; i < len(headers); i += 2 {
		r.ctx.Request.Header.Add(headers[i], headers[i+1])
	}
	return r
}

// finding returns the field and code of a problem's only finding.
func finding(err error) string {
	var p *problem.Error
	if !errors.As(err, &p) || len(p.Fields) != 1 {
		return ""
	}
	return string(p.Code) + " " + p.Fields[0].Name + " " + p.Fields[0].Code
}

func TestIfMatch(t *testing.T) {
	t.Parallel()
	const malformed = "validation_failed If-Match malformed_header"
	for _, tc := range []struct {
		headers  []string
		versions []int64 // nil for any
		err      string
	}{
		{nil, nil, ""},
		{[]string{"*"}, nil, ""},
		{[]string{" * "}, nil, ""},
		{[]string{`"3"`}, []int64{3}, ""},
		{[]string{`"3", "4"`}, []int64{3, 4}, ""},
		{[]string{`"3" ,"4"`, `"5"`}, []int64{3, 4, 5}, ""},
		{[]string{`, "3",,"4",`}, []int64{3, 4}, ""},
		{[]string{`"9223372036854775807"`}, []int64{9223372036854775807}, ""},
		// Well-formed, but no version of ours; weak tags never match strongly.
		{[]string{`W/"3"`}, []int64{}, ""},
		{[]string{`W/"3", "4"`}, []int64{4}, ""},
		{[]string{`"03"`}, []int64{}, ""},
		{[]string{`"+3"`}, []int64{}, ""},
		{[]string{`"9223372036854775808"`}, []int64{}, ""},
		{[]string{`"abc"`}, []int64{}, ""},
		{[]string{`"a,b", "3"`}, []int64{3}, ""},
		{[]string{`""`}, []int64{}, ""},
		{[]string{"\"\xe9\""}, []int64{}, ""},
		{[]string{`"*"`}, []int64{}, ""},

		{[]string{""}, nil, malformed},
		{[]string{","}, nil, malformed},
		{[]string{"3"}, nil, malformed},
		{[]string{`"3`}, nil, malformed},
		{[]string{`3"`}, nil, malformed},
		{[]string{`"3" "4"`}, nil, malformed},
		{[]string{`"3""4"`}, nil, malformed},
		{[]string{`"3"x`}, nil, malformed},
		{[]string{`w/"3"`}, nil, malformed},
		{[]string{`W/3`}, nil, malformed},
		{[]string{`W/ "3"`}, nil, malformed},
		{[]string{`*, "3"`}, nil, malformed},
		{[]string{"*", `"3"`}, nil, malformed},
		{[]string{"**"}, nil, malformed},
		{[]string{`"a b"`}, nil, malformed},
		{[]string{"\"a\x7f\""}, nil, malformed},
	} {
		var headers []string
		for _, v := range tc.headers {
			headers = append(headers, "If-Match", v)
		}
		got, err := requestWith(headers...).IfMatch()
		if finding(err) != tc.err || (err == nil) != (tc.err == "") || !slices.Equal(got, tc.versions) || (got == nil) != (tc.versions == nil) {
			t.Errorf("%q: got %v, %v, want %v, %q", tc.headers, got, err, tc.versions, tc.err)
		}
	}
}

// The grammar of RFC 9110, with the empty members that recipients let pass.
var (
	ifMatchForm = regexp.MustCompile(`^[ \t]*\*[ \t]*$|^[ \t,]*(W/)?"[^\x00-\x20"\x7f]*"([ \t]*,[ \t,]*(W/)?"[^\x00-\x20"\x7f]*")*[ \t,]*$`)
	strongTag   = regexp.MustCompile(`(W/)?"([^"]*)"`)
)

func FuzzIfMatch(f *testing.F) {
	for _, s := range []string{"*", `"1"`, `"1", W/"2",, "a,b"`, `"1" "2"`, `W/"1`, "", ",", "\"\x80\"", `"-0","01","-1"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, list string) {
		got, err := parseIfMatch(list)
		if (err == nil) != ifMatchForm.MatchString(list) {
			t.Fatalf("%q: got %v", list, err)
		}
		if err != nil {
			return
		}
		if strings.Trim(list, " \t") == "*" {
			if got != nil {
				t.Errorf("%q: got %v, want any", list, got)
			}
			return
		}
		want := []int64{}
		for _, m := range strongTag.FindAllStringSubmatch(list, -1) {
			if v, err := strconv.ParseInt(m[2], 10, 64); err == nil && m[1] == "" && strconv.FormatInt(v, 10) == m[2] {
				want = append(want, v)
			}
		}
		if got == nil || !slices.Equal(got, want) {
			t.Errorf("%q: got %v, want %v", list, got, want)
		}
	})
}

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	const name = "Idempotency-Key"
	for _, key := range []string{"a", "~!x", strings.Repeat("k", 255)} {
		if got, err := requestWith(name, key).IdempotencyKey(); got != key || err != nil {
			t.Errorf("%q: got %q, %v", key, got, err)
		}
	}
	if got, err := requestWith().IdempotencyKey(); got != "" || err != nil {
		t.Errorf("without: got %q, %v", got, err)
	}
	for _, headers := range [][]string{
		{name, ""}, {name, " "}, {name, "a b"}, {name, "a\tb"}, {name, "a\x7f"}, {name, "é"}, {name, "\xff"}, {name, strings.Repeat("k", 256)},
		{name, "a", name, "a"},
	} {
		if _, err := requestWith(headers...).IdempotencyKey(); finding(err) != "validation_failed Idempotency-Key malformed_header" {
			t.Errorf("%q: got %v", headers, err)
		}
	}
}

func TestBody(t *testing.T) {
	t.Parallel()
	for contentType, want := range map[string]string{
		"text/csv": "text/csv", "Text/CSV; header=present": "text/csv", `text/vcard;charset="UTF-8"`: "text/vcard", "text/csv; charset=us-ascii": "text/csv",
		"": "", "text/plain": "", "text/csv; charset=iso-8859-1": "", "text/csv; charset=utf-16": "", "text/csv, text/vcard": "", "text/csv; charset": "",
	} {
		r := requestWith("Content-Type", contentType)
		r.ctx.Request.SetBodyString("x")
		body, media, err := r.Body("text/csv", "text/vcard")
		if media != want || (want != "") != (string(body) == "x") || (want == "") != problem.Is(err, problem.UnsupportedMediaType) {
			t.Errorf("%q: got %q, %q, %v", contentType, body, media, err)
		}
	}
}

// body is a stream that ends with an error or a panic.
type body struct {
	text   io.Reader
	end    func() error
	closed bool
}

func (b *body) Read(p []byte) (int, error) {
	if n, err := b.text.Read(p); err == nil {
		return n, nil
	}
	return 0, b.end()
}

func (b *body) Close() error {
	b.closed = true
	return nil
}

// A stream is sent and counted as it is read. When it breaks, so does the
// connection, whatever broke it.
func TestStream(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		end    func() error
		broken bool
		cause  string
	}{
		"whole":   {func() error { return io.EOF }, false, "no cause"},
		"failing": {func() error { return errors.New("the database went away") }, true, "the database went away"},
		"panic":   {func() error { panic("the database went away") }, true, "panic with a value of type string"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var logs strings.Builder
			b := &body{text: strings.NewReader(strings.Repeat("x", 20_000)), end: tc.end}
			app := &App{Log: slog.New(slog.NewTextHandler(&logs, nil)), Timeout: time.Minute}
			serve := app.serve(Route{Method: "GET", Path: "/test/stream/" + name, Access: Public, Handle: func(r *Request) error {
				r.Stream("text/csv", "contacts.csv", b)
				return nil
			}})
			client, server := net.Pipe()
			defer client.Close()
			failed := make(chan error, 1)
			go func() {
				failed <- (&fasthttp.Server{Handler: serve, Logger: slog.NewLogLogger(slog.DiscardHandler, 0)}).ServeConn(server)
			}()
			if _, err := io.WriteString(client, "GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			received, err := io.ReadAll(client)
			if err != nil {
				t.Fatal(err)
			}
			if err := <-failed; (err != nil) != tc.broken {
				t.Errorf("the connection ended with %v", err)
			}
			text := string(received)
			if !strings.Contains(text, "attachment; filename=contacts.csv") || !strings.Contains(text, "Transfer-Encoding: chunked") {
				t.Errorf("got %.300q", text)
			}
			if got := !strings.HasSuffix(text, "\r\n0\r\n\r\n"); got != tc.broken {
				t.Errorf("broken: got %v, want %v", got, tc.broken)
			}
			if !b.closed {
				t.Error("not closed")
			}
			if got := strings.Contains(logs.String(), tc.cause); got != tc.broken {
				t.Errorf("the cause was logged: %v, want %v", got, tc.broken)
			}
			if !strings.Contains(logs.String(), "bytes_out=20000") {
				t.Errorf("got %s", logs.String())
			}
		})
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	bounds := Bounds([]Route{{Method: "POST", Path: "/api/v1/large", MaxBody: 5 << 20}, {Method: "POST", Path: "/api/v1/small"}})
	for _, tc := range []struct {
		method, target string
		length, want   int
	}{
		{"POST", "/api/v1/large", 2 << 20, 5 << 20},
		{"POST", "/api/v1/large?x=1", -1, 5 << 20},
		{"POST", "/api/large", 2 << 20, 5 << 20},
		{"POST", "/api/v1/large", 100, 0},
		{"PUT", "/api/v1/large", 2 << 20, 0},
		{"POST", "/api/v1/large/x", 2 << 20, 0},
		{"POST", "/api/v1/small", 2 << 20, 0},
	} {
		var h fasthttp.RequestHeader
		h.SetMethod(tc.method)
		h.SetRequestURI(tc.target)
		h.SetContentLength(tc.length)
		if got := bounds(&h).MaxRequestBodySize; got != tc.want {
			t.Errorf("%s %s of %d: got %d, want %d", tc.method, tc.target, tc.length, got, tc.want)
		}
	}
}

// A body has as long to arrive as its request has in all, or an upload that the
// gateway waits for would be cut here.
func TestBodiesHaveTheTimeOfTheirRequests(t *testing.T) {
	t.Parallel()
	bounds := Bounds(nil)
	for _, tc := range []struct {
		timeout string
		length  int
		want    time.Duration // 0 for that of the server
	}{
		{"60000", 2 << 20, 65 * time.Second},
		{"60000", 100, 65 * time.Second},
		{"60000", -1, 65 * time.Second},
		{"10000", -1, 0},
		{"9223372036854775807", -1, maxTimeout + bodyMargin},
		{"-60000", -1, 0},
		{"a minute", -1, 0},
		{"", -1, 0},
		{"60000", 0, 0},
		{"60000", -2, 0},
	} {
		var h fasthttp.RequestHeader
		h.SetMethod("POST")
		h.SetRequestURI("/api/v1/large")
		h.SetContentLength(tc.length)
		if tc.timeout != "" {
			h.Set("X-Request-Timeout", tc.timeout)
		}
		if got := bounds(&h).ReadTimeout; got != tc.want {
			t.Errorf("%q, a body of %d: got %v, want %v", tc.timeout, tc.length, got, tc.want)
		}
	}
}

package backend

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gatehouse/backend/internal/dbtest"
)

const (
	exportPath = "/api/v1/address-book/export"
	importPath = "/api/v1/address-book/import"
	csvHeader  = "name,gender,age,address,phone,email\r\n"
)

type importReport struct {
	DryRun  bool `json:"dry_run"`
	Read    int
	Created int
	Skipped int
	Errors  []struct {
		Line                 int
		Field, Code, Message string
	}
	Duplicates []struct {
		Line  int
		Email string
	}
}

// importFile sends a file; the query is without its question mark.
func (s *testServer) importFile(token, contentType, query, file string) answer {
	s.t.Helper()
	return s.do("POST", importPath+"?"+query, token, file, "Content-Type", contentType)
}

func (s *testServer) contacts(tenant string) int {
	s.t.Helper()
	return dbtest.Value[int](s.t, s.db.OwnerURL, "select count(*)::int from tenant.contacts where tenant_id = $1", tenant)
}

// addMany adds contacts named 1 to n behind the API's back.
func (s *testServer) addMany(tenant string, n, addressLength int) {
	s.t.Helper()
	dbtest.Exec(s.t, s.db.AdminURL, `
		insert into tenant.contacts (tenant_id, id, name, name_sort, name_key, gender, age, address, phone, email, email_key, created_at)
		select $1, gen_random_uuid(), i, i, i, i % 2 = 0, i % 100, repeat('x', $3), '1234567890', 'a@b.cd', 'a@b.cd',
			now() + (i / 7) * interval '1 millisecond'
		from generate_series(1, $2::int) i`, tenant, n, addressLength)
}

func TestExportCSV(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	ana, bob := s.signup("acme", "ana").Access, s.signup("globex", "bob").Access
	const n = 1203 // more than two pages, with many rows of one moment
	s.addMany("acme", n, 10)
	b := contactBody()
	b["name"] = "=HYPERLINK(\"http://x\")"
	var made map[string]any
	s.do("POST", "/api/v1/address-book", bob, b).want(t, 201).into(t, &made)

	a := s.do("GET", exportPath+"?format=csv", ana, nil).want(t, 200)
	for name, want := range map[string]string{
		"Content-Type": "text/csv; charset=utf-8", "Content-Disposition": "attachment; filename=contacts.csv", "Content-Length": "",
	} {
		if got := a.Header.Get(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	records, err := csv.NewReader(strings.NewReader(string(a.body))).ReadAll()
	if err != nil || len(records) != n+1 || strings.Count(string(a.body), "\r\n") != n+1 {
		t.Fatalf("got %d records, %v", len(records), err)
	}
	seen := map[string]bool{}
	for _, r := range records[1:] {
		seen[r[1]] = true
	}
	if len(seen) != n || !slices.IsSortedFunc(records[1:], func(x, y []string) int { return strings.Compare(x[7]+x[0], y[7]+y[0]) }) {
		t.Errorf("got %d different contacts of %d, or out of order", len(seen), n)
	}

	want := []string{"id,name,gender,age,address,phone,email,created_at,updated_at",
		fmt.Sprintf(`%s,"'=HYPERLINK(""http://x"")",female,34,"Rua das Flores 12`, made["id"]),
		fmt.Sprintf(`São Paulo",'+55 11 91234-5678,ana@example.com,%s,%s`, made["created_at"], made["updated_at"]), ""}
	if diff := cmp.Diff(strings.Join(want, "\r\n"), string(s.do("GET", exportPath+"?format=csv", bob, nil).want(t, 200).body)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	for query, want := range map[string]int{
		"name=120": 6, "age=50": 12, "age_gte=50&age_lte=51&gender=male": 12, "q=nobody": 0, "phone=4567&email=A%40B&gender=female": 602,
	} {
		got := strings.Count(string(s.do("GET", exportPath+"?format=csv&"+query, ana, nil).want(t, 200).body), "\r\n") - 1
		listed := s.page(ana, mustQuery(t, query+"&count=exact&limit=1"))
		if got != want || *listed.Metadata.Total != want {
			t.Errorf("%s: got %d, the list %d, want %d", query, got, *listed.Metadata.Total, want)
		}
	}
	if got := s.audited("contact.export"); !slices.Contains(got, `bob - {"format": "csv"}`) {
		t.Errorf("got %s", got)
	}
	if a := s.do("HEAD", exportPath+"?format=csv", bob, nil).want(t, 200); len(a.body) != 0 {
		t.Errorf("HEAD: got %q", a.body)
	}
	// The old path is the same operation, and the access log counts the bytes.
	if a := s.do("GET", "/api/address-book/export?format=csv", bob, nil).want(t, 200); !strings.Contains(s.logs.String(), fmt.Sprintf(`"bytes_out":%d`, len(a.body))) {
		t.Error("the size is not in the access log")
	}
}

func mustQuery(t *testing.T, query string) url.Values {
	t.Helper()
	v, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestExportVCard(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	token := s.signup("acme", "ana").Access
	a := s.do("GET", exportPath+"?format=vcard", token, nil).want(t, 200)
	if len(a.body) != 0 || a.Header.Get("Content-Type") != "text/vcard; charset=utf-8" || a.Header.Get("Content-Disposition") != "attachment; filename=contacts.vcf" {
		t.Errorf("got %q, %v", a.body, a.Header)
	}
	s.addMany("acme", 501, 10)
	a = s.do("GET", exportPath+"?format=vcard", token, nil).want(t, 200)
	if got := strings.Count(string(a.body), "END:VCARD\r\n"); got != 501 {
		t.Errorf("got %d cards", got)
	}
}

func TestExportRefusals(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	p := s.signup("acme", "ana")
	for query, fields := range map[string][]string{
		"": {"format"}, "format=": {"format"}, "format=CSV": {"format"}, "format=csv&format=csv": {"format"}, "format=csv&limit=5": {"limit"},
		"format=csv&cursor=x&sort=name": {"cursor", "sort"}, "format=csv&count=exact": {"count"}, "format=csv&age=x&nope=1": {"age", "nope"},
		"format=csv&q=": {"q"},
	} {
		s.do("GET", exportPath+"?"+query, p.Access, nil).problem(t, 400, "invalid_query", fields...)
	}
	s.do("GET", exportPath+"?format=csv", "", nil).problem(t, 401, "unauthenticated")
	s.do("POST", exportPath+"?format=csv", p.Access, "").problem(t, 405, "method_not_allowed")
	s.do("POST", "/api/v1/auth/logout", p.Access, nil).want(t, 200)
	s.do("GET", exportPath+"?format=csv", p.Access, nil).problem(t, 401, "unauthenticated")
	if got := s.audited("contact.export"); len(got) > 0 {
		t.Errorf("got %s", got)
	}
}

// An export that cannot go on ends the connection, so that the part is not taken
// for the whole. Its session ended here while the client was slow to read.
func TestExportBreaksOff(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	token := s.signup("acme", "ana").Access
	// Far more than sockets hold.
	s.addMany("acme", 60_000, 500)
	req, err := http.NewRequestWithContext(t.Context(), "GET", s.url+exportPath+"?format=csv", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body := bufio.NewReader(resp.Body)
	if _, err := body.ReadString('\n'); err != nil || resp.StatusCode != 200 {
		t.Fatalf("got %d, %v", resp.StatusCode, err)
	}
	s.do("POST", "/api/v1/auth/logout", token, nil).want(t, 200)
	if n, err := io.Copy(io.Discard, body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %d bytes and %v", n, err)
	}
}

func TestImportWhatWasExported(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	ana, bob := s.signup("acme", "ana").Access, s.signup("globex", "bob").Access
	for i, name := range []string{
		"=1+1", "'=1", "''", "-x", "@", "a,b;c:d\"e", `back\slash\n`, "José", "\U0001F600" + strings.Repeat("é", 99), "日本", "+", "BEGIN:VCARD",
	} {
		b := contactBody()
		b["name"], b["gender"], b["age"], b["email"] = name, i%2 == 0, i, fmt.Sprintf("='%d@x.yz", i)
		b["address"] = "+" + name + "\n\tEND:VCARD\n\n x;,\\" + strings.Repeat("ã", 200)
		s.do("POST", "/api/v1/address-book", ana, b).want(t, 201)
	}
	// all returns what can be edited of a tenant's contacts, in order.
	all := func(token string) (list []map[string]any) {
		s.do("GET", "/api/v1/address-book?limit=500", token, nil).want(t, 200).into(t, &list)
		for _, c := range list {
			for _, name := range []string{"id", "tenant_id", "created_at", "updated_at"} {
				delete(c, name)
			}
		}
		return list
	}
	want := all(ana)
	for _, format := range []string{"csv", "vcard"} {
		file := s.do("GET", exportPath+"?format="+format, ana, nil).want(t, 200)
		var report importReport
		s.importFile(bob, file.Header.Get("Content-Type"), "", string(file.body)).want(t, 200).into(t, &report)
		if report.Created != len(want) || report.Read != len(want) || len(report.Duplicates) != 0 {
			t.Errorf("%s: got %+v", format, report)
		}
		if diff := cmp.Diff(want, all(bob)); diff != "" {
			t.Errorf("%s (-exported +imported):\n%s", format, diff)
		}
		dbtest.Exec(t, s.db.AdminURL, "delete from tenant.contacts where tenant_id = 'globex'")
	}
	// What was imported is found, sorted and versioned like any other.
	file := s.do("GET", exportPath+"?format=csv&name=jos", ana, nil).want(t, 200)
	s.importFile(bob, "text/csv", "", string(file.body)).want(t, 200)
	found := s.page(bob, url.Values{"name": {"JOSÉ"}, "sort": {"name"}})
	if len(found.Data) != 1 {
		t.Fatalf("got %+v", found)
	}
	s.do("DELETE", "/api/v1/address-book/"+found.Data[0].ID, bob, nil, "If-Match", `"1"`).want(t, 200)
}

const (
	goodLine = "Ana,female,34,Rua 1,1234567890,ana@example.com\r\n"
	badLine  = "Ana,female,151,,1234567890,ana@example.com\r\n"
)

func TestImportOnError(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	token := s.signup("acme", "ana").Access
	file := csvHeader + goodLine + badLine + "\"Bob\",male,1,\"Rua\r\n2\",1234567890,bob@example.com\r\nx\r\n" + "a\x00,male,1,b,1234567890,a@b.cd\r\n"
	bad := []string{"line 3: age", "line 3: address", "line 6", "line 7: name"}

	for _, query := range []string{"", "on_error=abort", "dry_run=true", "dry_run=true&on_error=abort", "dry_run=false"} {
		p := s.importFile(token, "text/csv", query, file).problem(t, 400, "validation_failed", bad...)
		if p.Message != "3 of 5 contacts cannot be imported; nothing was." {
			t.Errorf("%s: got %q", query, p.Message)
		}
	}
	if n := s.contacts("acme"); n != 0 || len(s.audited("contact.import")) > 0 {
		t.Errorf("got %d contacts", n)
	}
	for _, dry := range []bool{true, false} {
		var got importReport
		s.importFile(token, "text/csv", fmt.Sprintf("on_error=skip&dry_run=%v", dry), file).want(t, 200).into(t, &got)
		var lines []string
		for _, e := range got.Errors {
			place := fmt.Sprintf("line %d", e.Line)
			if e.Field != "" {
				place += ": " + strings.TrimPrefix(e.Field, "/")
			}
			lines = append(lines, place)
		}
		if got.DryRun != dry || got.Read != 5 || got.Created != 2 || got.Skipped != 3 || !slices.Equal(lines, bad) || got.Errors[0].Field != "/age" || got.Errors[0].Code != "out_of_range" {
			t.Errorf("dry run %v: got %+v", dry, got)
		}
		if n := s.contacts("acme"); (n == 0) != dry || n > 2 {
			t.Errorf("dry run %v: got %d contacts", dry, n)
		}
	}
	if got := s.audited("contact.import"); !slices.Equal(got, []string{`ana - {"read": "5", "format": "csv", "created": "2", "skipped": "3"}`}) {
		t.Errorf("got %s", got)
	}
	list := s.page(token, nil)
	if list.Data[0].Name != "Ana" || list.Data[1].Name != "Bob" {
		t.Errorf("got %+v", list.Data)
	}
}

func TestImportDuplicates(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	ana, bob := s.signup("acme", "ana").Access, s.signup("globex", "bob").Access
	s.do("POST", "/api/v1/address-book", ana, contactBody()).want(t, 201)
	line := func(email string) string { return "A,male,1,b,1234567890," + email + "\n" }
	file := csvHeader + line("ANA@example.com") + line("jos\u00e9@x.yz") + line("JOSE\u0301@x.yz") + line("new@x.yz") + "x\n" + line("ana@EXAMPLE.com")
	for _, dry := range []string{"true", "false"} {
		a := s.importFile(ana, "text/csv", "on_error=skip&dry_run="+dry, file).want(t, 200)
		var got importReport
		a.into(t, &got)
		if text := fmt.Sprint(got.Duplicates); got.Created != 5 || text != "[{2 ANA@example.com} {4 JOSÉ@x.yz} {7 ana@EXAMPLE.com}]" {
			t.Errorf("got %s", a.body)
		}
	}
	// Another tenant's contacts do not count.
	a := s.importFile(bob, "text/csv", "", csvHeader+goodLine).want(t, 200)
	if want := `{"message":"ok","data":{"dry_run":false,"read":1,"created":1,"skipped":0,"errors":[],"duplicates":[]}}`; string(a.body) != want {
		t.Errorf("got %s, want %s", a.body, want)
	}
}

func TestImportLimits(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	token := s.signup("acme", "ana").Access
	var report importReport
	s.importFile(token, "text/csv", "on_error=skip&dry_run=true", csvHeader+strings.Repeat("x\n", 9999)+goodLine).want(t, 200).into(t, &report)
	if report.Read != 10_000 || report.Skipped != 9999 || report.Created != 1 || len(report.Errors) != 1000 {
		t.Errorf("got %d read, %d skipped, %d created, %d errors", report.Read, report.Skipped, report.Created, len(report.Errors))
	}
	if p := s.importFile(token, "text/csv", "", csvHeader+strings.Repeat(badLine, 9999)).problem(t, 400, "validation_failed"); len(p.Errors) != 50 {
		t.Errorf("got %d findings", len(p.Errors))
	}
	s.importFile(token, "text/csv", "on_error=skip", csvHeader+strings.Repeat(goodLine, 10_001)).problem(t, 400, "validation_failed", "line 10002")
	if n := s.contacts("acme"); n != 0 {
		t.Errorf("got %d contacts", n)
	}
	// A large file with every other line broken: all or nothing, or those that can be.
	var broken strings.Builder
	broken.WriteString(csvHeader)
	for i := range 10_000 {
		line := fmt.Sprintf("Ana,female,34,%s,1234567890,a%d@example.com", strings.Repeat("x", 500), i)
		if i%2 == 1 {
			line = []string{strings.Replace(line, "34", "=34", 1), strings.ReplaceAll(line, ",", ";"), "Ana,\x00" + line}[i/2%3]
		}
		broken.WriteString(line + strings.Repeat(" ", 1020-len(line)) + "\r\n")
	}
	s.importFile(token, "text/csv", "", broken.String()).problem(t, 400, "validation_failed")
	if n := s.contacts("acme"); n != 0 {
		t.Errorf("got %d contacts", n)
	}
	s.importFile(token, "text/csv", "on_error=skip", broken.String()).want(t, 200).into(t, &report)
	if n := s.contacts("acme"); n != 5000 || report.Created != 5000 || report.Skipped != 5000 {
		t.Errorf("got %d contacts, %d created, %d skipped", n, report.Created, report.Skipped)
	}
	s.exec("delete from tenant.contacts")
	// The largest file: as many contacts as may be, as long as fits.
	large := "Ana,female,34," + strings.Repeat("x", 500) + ",1234567890,ana@example.com" + strings.Repeat(" ", 505) + "\r\n"
	file := csvHeader + strings.Repeat(large, 10_000)
	file += strings.Repeat("\n", 10<<20-len(file))
	s.importFile(token, "text/csv", "", file).want(t, 200).into(t, &report)
	if n := s.contacts("acme"); n != 10_000 || report.Created != 10_000 || len(report.Duplicates) != 1000 {
		t.Errorf("got %d contacts, %d reported, %d duplicates", n, report.Created, len(report.Duplicates))
	}
	// One byte more is refused by the length that it claims.
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: %d\r\n\r\n", importPath, len(file)+1); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 413 {
		t.Errorf("got %d for a file that is too large", resp.StatusCode)
	}
}

func TestImportRefusals(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	p := s.signup("acme", "ana")
	good := csvHeader + goodLine
	utf16 := "\xff\xfe"
	for _, c := range []byte(good) {
		utf16 += string(rune(c)) + "\x00"
	}
	for _, tc := range []struct {
		name, contentType, file string
		fields                  []string
	}{
		{"empty", "text/csv", "", []string{"line 1"}},
		{"empty", "text/vcard", "", []string{"line 1"}},
		{"Latin-1", "text/csv", good + "Jos\xe9,male,1,b,1234567890,a@b.cd\n", []string{"line 3"}},
		{"UTF-16", "text/csv; charset=utf-8", utf16, []string{"line 1"}},
		{"header of another file", "text/csv", "a,b\n1,2\n", []string{
			"line 1: a", "line 1: b", "line 1: name", "line 1: gender", "line 1: age", "line 1: address", "line 1: phone", "line 1: email"}},
		{"column twice", "text/csv", "name," + good, []string{"line 1: name"}},
		{"open quote", "text/csv", good + "\"" + goodLine, []string{"line 3"}},
		{"huge line", "text/csv", good + strings.Repeat("x", 5<<20), []string{"line 3"}},
		{"a card without an end", "text/vcard", "BEGIN:VCARD\nVERSION:4.0\nFN:Ana\n", []string{"line 1"}},
		{"CSV sent as vCard", "text/vcard", good, []string{"line 1"}},
	} {
		for _, onError := range []string{"abort", "skip"} {
			a := s.importFile(p.Access, tc.contentType, "on_error="+onError, tc.file)
			if onError == "skip" && tc.contentType == "text/vcard" && tc.file != "" {
				a.want(t, 200) // each card stands for itself
				continue
			}
			a.problem(t, 400, "validation_failed", tc.fields...)
		}
	}
	for _, contentType := range []string{"application/json", "text/plain", "text/csv; charset=iso-8859-1", "multipart/form-data; boundary=x", ""} {
		s.importFile(p.Access, contentType, "", good).problem(t, 415, "unsupported_media_type")
	}
	for query, field := range map[string]string{
		"dry_run=1": "dry_run", "dry_run=": "dry_run", "dry_run=true&dry_run=true": "dry_run", "on_error=stop": "on_error", "format=csv": "format",
		"limit=5": "limit",
	} {
		s.importFile(p.Access, "text/csv", query, good).problem(t, 400, "invalid_query", field)
	}
	s.do("GET", importPath, p.Access, nil).problem(t, 404, "not_found") // the name of no contact
	s.do("POST", "/api/v1/auth/logout", p.Access, nil).want(t, 200)
	for _, query := range []string{"", "dry_run=true"} {
		s.importFile(p.Access, "text/csv", query, good).problem(t, 401, "unauthenticated")
	}
	if n := s.contacts("acme"); n != 0 {
		t.Errorf("got %d contacts", n)
	}
}

// A failure after some batches leaves nothing behind.
func TestImportIsOneTransaction(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	token := s.signup("acme", "ana").Access
	dbtest.Exec(t, s.db.AdminURL, `
		create function app.refuse() returns trigger language plpgsql as $$
		begin
			if new.name = 'last' then
				raise exception using errcode = '55P03', message = 'somebody holds a lock';
			end if;
			return new;
		end $$;
		create trigger refuse before insert on tenant.contacts for each row execute function app.refuse()`)
	file := csvHeader + strings.Repeat(goodLine, 2500) + strings.Replace(goodLine, "Ana", "last", 1)
	s.importFile(token, "text/csv", "", file).problem(t, 503, "unavailable")
	if n := s.contacts("acme"); n != 0 || len(s.audited("contact.import")) > 0 {
		t.Errorf("got %d contacts", n)
	}
	s.importFile(token, "text/csv", "", csvHeader+strings.Repeat(goodLine, 2500)).want(t, 200)
	if n := s.contacts("acme"); n != 2500 {
		t.Errorf("got %d contacts", n)
	}
}

// Everything works without prepared statements, as behind PgBouncer.
func TestContactsThroughAPooler(t *testing.T) {
	t.Parallel()
	s := newTestServer(t, func(c *Config) { c.Database.Pooler = "transaction" })
	token := s.signup("acme", "ana").Access
	path := s.do("POST", "/api/v1/address-book", token, contactBody(), "Idempotency-Key", "a").want(t, 201).Header.Get("Location")
	s.do("PUT", path, token, contactBody(), "If-Match", `"1"`).want(t, 200)
	s.do("PUT", path, token, contactBody(), "If-Match", `"1"`).problem(t, 412, "precondition_failed")
	s.do("PUT", path, token, contactBody()).want(t, 200)
	s.importFile(token, "text/csv", "", csvHeader+goodLine).want(t, 200)
	if p := s.page(token, url.Values{"q": {"ana"}, "age_gte": {"1"}, "count": {"exact"}}); len(p.Data) != 2 || *p.Metadata.Total != 2 {
		t.Errorf("got %+v", p)
	}
	if got := strings.Count(string(s.do("GET", exportPath+"?format=csv", token, nil).want(t, 200).body), "ana@example.com"); got != 2 {
		t.Errorf("got %d", got)
	}
	s.do("DELETE", path, token, nil, "If-Match", `"2", "3"`).want(t, 200)
}

// The report of an import is what the API document says, empty lists included.
func TestImportReportOfNothing(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	token := s.signup("acme", "ana").Access
	a := s.importFile(token, "text/csv", "dry_run=true", "\uFEFF"+csvHeader).want(t, 200)
	var got struct{ Data map[string]json.RawMessage }
	if err := json.Unmarshal(a.body, &got); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"dry_run": "true", "read": "0", "created": "0", "skipped": "0", "errors": "[]", "duplicates": "[]"} {
		if string(got.Data[name]) != want {
			t.Errorf("%s: got %s, want %s", name, got.Data[name], want)
		}
	}
}

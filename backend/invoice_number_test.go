package backend

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"

	"gatehouse/backend/internal/dbtest"
	"gatehouse/internal/token"
)

// A thousand documents that two backends issue at once get the numbers 1 to 1,000,
// but for a range that is voided meanwhile, also where some are refused or tried
// again.
func TestNfeNumbersHaveNoGap(t *testing.T) {
	t.Parallel()
	const documents, workers = 1000, 8
	s := newTestServer(t)
	servers := []*testServer{s, newTestServer(t, beside(s))}
	ana := s.actor("acme", "ana", token.Admin).Access
	emitter := s.emitter("acme")
	var first invoiceBody
	s.do("POST", "/api/v1/nfe", ana, nfeBody(emitter, 1)).want(t, 201).into(t, &first)
	// Copies of a draft, for making each through the API takes longer than what is
	// tried here. Every tenth breaks a rule, and must not take a number.
	for _, sql := range []string{
		`insert into tenant.nfe_documents select (jsonb_populate_record(d, jsonb_build_object('id', gen_random_uuid(),
			'natureza_operacao', case when n % 10 = 0 then null else d.natureza_operacao end))).*
			from tenant.nfe_documents d, generate_series(1, 1111) n`,
		`insert into tenant.nfe_items select (jsonb_populate_record(i, jsonb_build_object('document_id', d.id))).* from tenant.nfe_items i, tenant.nfe_documents d
			where i.document_id <> d.id`,
		`insert into tenant.nfe_icms select (jsonb_populate_record(i, jsonb_build_object('document_id', d.id))).* from tenant.nfe_icms i, tenant.nfe_documents d
			where i.document_id <> d.id`,
		`insert into tenant.nfe_pis select (jsonb_populate_record(i, jsonb_build_object('document_id', d.id))).* from tenant.nfe_pis i, tenant.nfe_documents d
			where i.document_id <> d.id`,
		`insert into tenant.nfe_cofins select (jsonb_populate_record(i, jsonb_build_object('document_id', d.id))).* from tenant.nfe_cofins i, tenant.nfe_documents d
			where i.document_id <> d.id`,
		`insert into tenant.nfe_transport select (jsonb_populate_record(i, jsonb_build_object('document_id', d.id))).* from tenant.nfe_transport i, tenant.nfe_documents d
			where i.document_id <> d.id`,
		`insert into tenant.nfe_payments select (jsonb_populate_record(i, jsonb_build_object('document_id', d.id))).* from tenant.nfe_payments i, tenant.nfe_documents d
			where i.document_id <> d.id`,
		`delete from tenant.nfe_documents where id = '` + first.ID + `'`,
	} {
		dbtest.Exec(t, s.db.AdminURL, sql)
	}
	conn := dbtest.Connect(t, s.db.AdminURL)
	var ids []string
	if err := conn.QueryRow(t.Context(), "select array_agg(id::text) from tenant.nfe_documents").Scan(&ids); err != nil {
		t.Fatal(err)
	}
	work := make(chan string, len(ids))
	for _, id := range ids {
		work <- id
	}
	close(work)

	var mu sync.Mutex
	var numbers []int
	var refused int
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			server := servers[w%2].in(t)
			for id := range work {
				d := invoiceBody{ID: id, Version: 1}
				a := server.step(ana, d, "issue")
				if a.StatusCode == http.StatusOK {
					a.into(t, &d)
				}
				n, _ := strconv.Atoi(d.Numero)
				mu.Lock()
				switch a.StatusCode {
				case http.StatusOK:
					numbers = append(numbers, n)
				case http.StatusUnprocessableEntity:
					refused++
				default:
					t.Errorf("got %d: %s", a.StatusCode, a.body)
				}
				mu.Unlock()
			}
		})
	}
	voided := map[string]any{"emitter_id": emitter, "ambiente": "2", "modelo": "55", "serie": "1", "numero_inicial": "991", "numero_final": "995",
		"justificativa": "Falha na numeração"}
	a := s.do("POST", "/api/v1/nfe/void-range", ana, voided)
	wg.Wait()
	a.want(t, 201)
	slices.Sort(numbers)
	if len(numbers) != documents || refused != 111 {
		t.Fatalf("issued %d documents and refused %d", len(numbers), refused)
	}
	for i, n := range numbers {
		want := i + 1
		if want > 990 {
			want += 5
		}
		if n != want {
			t.Fatalf("the document in place %d has number %d, want %d", i+1, n, want)
		}
	}
}

// Numbers are voided that nobody has used, and then never given out. Series are
// apart, and so are the kinds of emission of an NFC-e.
func TestNfeVoidedRanges(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	ana, bob := s.actor("acme", "ana", token.Admin).Access, s.actor("acme", "bob", token.Member).Access
	emitter := s.emitter("acme")
	void := func(serie, first, last string) answer {
		return s.do("POST", "/api/v1/nfe/void-range", ana, map[string]any{"emitter_id": emitter, "ambiente": "2", "modelo": "55", "serie": serie,
			"numero_inicial": first, "numero_final": last, "justificativa": "Falha na numeração", "protocolo": someProtocol})
	}
	issue := func(changes ...string) string {
		body := nfeBody(emitter, 1)
		for i := 0; i < len(changes); i += 2 {
			body[changes[i]] = changes[i+1]
		}
		var d, issued invoiceBody
		s.do("POST", "/api/v1/nfe", ana, body).want(t, 201).into(t, &d)
		s.step(ana, d, "issue").want(t, 200).into(t, &issued)
		return issued.Numero
	}
	void("1", "1", "2").want(t, 201)
	void("1", "4", "4").want(t, 201)
	void("1", "5", "7").want(t, 201)
	for i, want := range []string{"3", "8", "9"} {
		if got := issue(); got != want {
			t.Errorf("document %d has number %s, want %s", i, got, want)
		}
	}
	for _, tc := range [][2]string{{"3", "3"}, {"8", "20"}, {"1", "1"}, {"7", "7"}, {"2", "5"}, {"9", "9"}} {
		void("1", tc[0], tc[1]).problem(t, 409, "conflict")
	}
	void("1", "10", "19").want(t, 201)
	if got := issue(); got != "20" {
		t.Errorf("got number %s, want 20", got)
	}
	if got := issue("serie", "2"); got != "1" {
		t.Errorf("series 2 begins with %s", got)
	}
	void("1", "20", "30").problem(t, 409, "conflict")
	void("1", "40", "30").problem(t, 400, "validation_failed", "/numero_final")
	void("1", "1", "10001").problem(t, 400, "validation_failed", "/numero_final")
	void("01", "50", "50").problem(t, 400, "validation_failed", "/serie")
	void("1", "0", "50").problem(t, 400, "validation_failed", "/numero_inicial")
	body := map[string]any{"emitter_id": emitter, "ambiente": "2", "modelo": "65", "serie": "1", "numero_inicial": "1", "numero_final": "1",
		"justificativa": "Falha na numeração"}
	s.do("POST", "/api/v1/nfe/void-range", bob, body).problem(t, 403, "forbidden")
	s.do("POST", "/api/v1/nfe/void-range", ana, body).problem(t, 400, "validation_failed", "/tipo_emissao")
	for _, emissao := range []string{"1", "9"} {
		s.do("POST", "/api/v1/nfe/void-range", ana, with(body, "tipo_emissao", emissao)).want(t, 201)
	}
	s.do("POST", "/api/v1/nfe/void-range", ana, with(with(body, "tipo_emissao", "9"), "emitter_id", someUser)).problem(t, 400, "validation_failed", "/emitter_id")

	// The series ends.
	s.exec("update tenant.nfe_numbers set last_number = 999999998 where serie = '2'")
	if got := issue("serie", "2"); got != "999999999" {
		t.Errorf("got number %s", got)
	}
	var d invoiceBody
	s.do("POST", "/api/v1/nfe", ana, with(nfeBody(emitter, 1), "serie", "2")).want(t, 201).into(t, &d)
	s.step(ana, d, "issue").problem(t, 409, "conflict")
}

// Lists and sums are of what was filtered, in order.
func TestNfeListAndSummary(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	ana := s.actor("acme", "ana", token.Admin).Access
	emitter := s.emitter("acme")
	for i := range 5 {
		body := with(with(nfeBody(emitter, i+1), "serie", fmt.Sprint(i%2)), "data_emissao", fmt.Sprintf("2026-0%d-01T00:30:00-03:00", i/2+1))
		var d invoiceBody
		s.do("POST", "/api/v1/nfe", ana, body).want(t, 201).into(t, &d)
		if i > 2 {
			s.step(ana, d, "issue").want(t, 200)
		}
	}
	for query, want := range map[string][]string{
		"sort=valor_total":                        {"15.00", "30.00", "45.00", "60.00", "75.00"},
		"sort=-valor_total":                       {"75.00", "60.00", "45.00", "30.00", "15.00"},
		"sort=created_at":                         {"15.00", "30.00", "45.00", "60.00", "75.00"},
		"sort=-issued_at":                         {"75.00", "60.00"},
		"sort=issued_at":                          {"60.00", "75.00"},
		"min_total=30&max_total=60.00":            {"30.00", "45.00", "60.00"},
		"min_total=30.01&max_total=59.99":         {"45.00"},
		"serie=1":                                 {"30.00", "60.00"},
		"status=authorized":                       {},
		"issued_gte=2000-01-01T00:00:00Z&serie=0": {"75.00"},
		"issued_lt=2000-01-01T00:00:00Z":          {},
		"emitter_id=" + someUser:                  {},
	} {
		if got := s.listedAll(ana, "/api/v1/nfe", query+"&limit=2", "valor_total"); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", query, got, want)
		}
	}
	var totals []struct {
		Month, Status string
		Documents     int
		ValorTotal    string `json:"valor_total"`
	}
	s.do("GET", "/api/v1/nfe/summary?from=2026-01&to=2026-02&emitter_id="+emitter, ana, nil).want(t, 200).into(t, &totals)
	if got := fmt.Sprint(totals); got != "[{2026-01 draft 2 45.00} {2026-02 draft 2 105.00}]" {
		t.Errorf("got %s", got)
	}
	for _, query := range []string{"from=2026-02&to=2026-01", "from=2024-01&to=2026-01", "from=2026-13", "to=x"} {
		s.do("GET", "/api/v1/nfe/summary?"+query, ana, nil).problem(t, 400, "invalid_query")
	}
}

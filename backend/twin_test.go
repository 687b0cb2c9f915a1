package backend

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"gatehouse/backend/internal/dbtest"
)

// Names and addresses that people take for the same are the same, however they
// are written; look-alikes in other scripts are refused, and what is different
// stays so.
func TestTwins(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	s.signup("acme", "first")
	dbtest.Exec(t, s.db.AdminURL, "update tenant.users set role = 'admin'")
	admin := s.login("acme", "first").Access
	for i, tc := range []struct {
		first, second string
		status        int
	}{
		{"maria", "MARIA", 409},
		{"maria", "ｍａｒｉａ", 409},          // full width
		{"maria", "𝓶𝓪𝓻𝓲𝓪", 409},          // mathematical script
		{"jose\u0301", "JOS\u00c9", 409}, // NFD and NFC
		{"strasse", "straße", 409},
		{"fiona", "\ufb01ona", 409}, // a ligature
		{"kelvin", "\u212aelvin", 409},
		{"mis\u017fa", "missa", 409}, // a long s is an s
		{"mi\u017fa", "misa", 409},
		{"ς\u03b1\u03c2", "σασ", 409}, // final sigma
		{"jose", "jos\u00e9", 201},
		{"paypal", "p\u0430ypal", 400}, // a Cyrillic a
		{"google", "g\u03bf\u03bfgle", 400},
		{"scope", "ѕсоре", 201}, // all Cyrillic: a name of its own
		{"anna", "an\u200bna", 400},
		{"anna", "an\u00adna", 400},
		{"anna", "\u202eanna", 400},
		{"anna", "anna\u0000", 400},
		{"anna", " anna ", 409},
		{"anna", "an na", 400},
		{"tab", "ta\u0301b", 201},
	} {
		// Each pair has a tenant's names to itself but for a prefix of its script.
		t.Run(fmt.Sprintf("%+q %+q", tc.first, tc.second), func(t *testing.T) {
			s := s.in(t)
			number := fmt.Sprintf("-%d", i)
			at := 0
			body := func(name string) map[string]any {
				at++
				return map[string]any{"username": name, "email": fmt.Sprintf("t%d-%d@example.com", i, at), "password": testPassword}
			}
			in := func(b map[string]any) map[string]any { b["tenant_id"] = "acme"; return b }
			second := strings.TrimRight(tc.second, " ") + number
			s.do("POST", "/api/v1/auth/signup", "", in(body(tc.first+number))).want(t, 201)
			s.do("POST", "/api/v1/users", admin, body(second)).want(t, tc.status)
			if tc.status == 201 {
				tc.status = 409 // that was it
			}
			s.do("POST", "/api/v1/auth/signup", "", in(body(second))).want(t, tc.status)
			// Who has another name cannot take it by a change either.
			var other struct{ ID string }
			s.do("POST", "/api/v1/users", admin, body(fmt.Sprint("other", i))).want(t, 201).into(t, &other)
			b := body(second)
			delete(b, "password")
			b["active"] = true
			s.do("PUT", "/api/v1/users/"+other.ID, admin, b).want(t, tc.status)
		})
	}
	for n, pair := range [][2]string{
		{"eva@Example.com", "EVA@eXAMPLE.COM"}, {"ren\u00e9@example.com", "RENE\u0301@example.com"}, {"zo\u00eb@ex\u00e4mple.com", "ZOE\u0308@EXA\u0308MPLE.com"},
		{"uwe@stra\u00dfe.de", "uwe@STRASSE.de"}, {"full@example.com", "\uff46ull@example.com"},
	} {
		name := fmt.Sprint("mail", n)
		body := map[string]any{"username": name, "email": pair[0], "password": testPassword, "tenant_id": "acme"}
		s.do("POST", "/api/v1/auth/signup", "", body).want(t, 201)
		body["username"], body["email"] = name+"b", pair[1]
		s.do("POST", "/api/v1/auth/signup", "", body).problem(t, 409, "conflict")
		s.login("acme", pair[1])
	}
	// The same names are free in another tenant.
	s.signup("globex", "MARIA")
}

// Files with something wrong anywhere are refused or read in part, as was
// asked, and never the service's fault; what is refused leaves nothing.
func TestBrokenFiles(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	bearer := s.signup("acme", "ana").Access
	const path = "/api/v1/address-book/import"
	conn := dbtest.Connect(t, s.db.AdminURL)
	count := func() (n int) {
		if err := conn.QueryRow(t.Context(), "select count(*) from tenant.contacts").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	files := map[string]string{
		"text/csv": "name,gender,age,address,phone,email\r\nAna,female,34,\"Rua 1\nApto 2\",+55 11 91234-5678,ana@example.com\r\n" +
			"Bruno,male,40,Rua 2,+55 11 91234-5679,bruno@example.com\r\n",
		"text/vcard": "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Ana\r\nGENDER:F\r\nX-AGE:34\r\nADR:;;Rua 1\\nApto 2;;;;\r\nTEL:+55 11 91234-5678\r\nEMAIL:ana@example.com\r\nEND:VCARD\r\n",
	}
	const seed = 11
	r := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // the same for a seed, which is no secret
	for media, file := range files {
		s.do("POST", path, bearer, file, "Content-Type", media).want(t, 200)
		for i := range 150 {
			broken := breakText(r, file)
			query := ""
			if i%2 == 0 {
				query = "?on_error=skip"
			}
			before := count()
			a := s.do("POST", path+query, bearer, broken, "Content-Type", media)
			var report struct{ Created int }
			switch a.StatusCode {
			case 200:
				a.into(t, &report)
			case 400:
				a.problem(t, 400, "validation_failed")
			default:
				t.Errorf("%s, seed %d: %q is %d: %s", media, seed, broken, a.StatusCode, a.body)
			}
			if got := count() - before; got != report.Created {
				t.Errorf("%s: %q is %d and left %d contacts: %s", media, broken, a.StatusCode, got, a.body)
			}
		}
	}
}

// breakText changes a text in a few random places.
func breakText(r *rand.Rand, text string) string {
	b := []byte(text)
	for range 1 + r.IntN(3) {
		at := r.IntN(len(b))
		end := min(len(b), at+1+r.IntN(12))
		with := []string{"", "\x00", "\xff", "\"", ",", "\r", "\n", ";", "\\", ":", "\ufeff", "\U0001F600", "END:VCARD\r\n", "1e400", strings.Repeat("x", 600), " ", "\u0085"}
		switch piece := with[r.IntN(len(with))]; r.IntN(3) {
		case 0:
			b = []byte(string(b[:at]) + piece + string(b[at:]))
		case 1:
			b = []byte(string(b[:at]) + piece + string(b[end:]))
		default:
			b = []byte(string(b[:end]) + string(b[at:]))
		}
	}
	return string(b)
}

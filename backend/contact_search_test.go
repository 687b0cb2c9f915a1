package backend

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Contacts with a text that few have are found in another way than those with one
// that many have, and both ways give the same lists.
func TestContactSearchBothWays(t *testing.T) {
	t.Parallel()
	s := newTestServer(t)
	token, other := s.signup("acme", "ana").Access, s.signup("globex", "bob").Access
	var file strings.Builder
	file.WriteString(csvHeader)
	for i := range 300 {
		rare := ""
		if i%10 == 3 {
			rare = "Ärger_100% "
		}
		fmt.Fprintf(&file, "%s%c Common,%s,%d,Street,12345678%02d,x%d@example.com\r\n",
			rare, 'A'+rune(i*7%26), []string{"male", "female"}[i%2], i*11%50, i%100, i)
	}
	for _, token := range []string{token, other} {
		s.importFile(token, "text/csv", "", file.String()).want(t, 200)
	}
	everything := s.page(token, url.Values{"limit": {"500"}}).Data

	for _, filter := range []url.Values{
		{"q": {"Ärger"}},
		{"q": {"äRGER_100%"}, "gender": {"female"}, "age_lte": {"20"}},
		{"name": {"ärger"}, "email": {"example"}},
		{"name": {"common"}, "email": {"x299@example.com"}},
		{"name": {"r_1"}},
		{"name": {"är"}},
		{"phone": {"1234567899"}},
		{"q": {"common"}},
		{"q": {"nobody has this"}},
		{"name": {"ärger"}, "phone": {"1234567899"}},
	} {
		has := func(name, text string) bool {
			return filter.Get(name) == "" || strings.Contains(strings.ToLower(text), strings.ToLower(filter.Get(name)))
		}
		for _, sort := range []string{"created_at", "-created_at", "name", "-name", "age", "-age"} {
			list := s.page(token, url.Values{"limit": {"500"}, "sort": {sort}}).Data
			if len(list) != len(everything) {
				t.Fatalf("%s: got %d contacts", sort, len(list))
			}
			var want, got []string
			for _, c := range list {
				if has("name", c.Name) && has("email", c.Email) && has("phone", c.Phone) &&
					(has("q", c.Name) || has("q", c.Email) || has("q", c.Phone)) &&
					(filter.Get("gender") == "" || !c.Gender) && (filter.Get("age_lte") == "" || c.Age <= 20) {
					want = append(want, c.ID)
				}
			}
			query := url.Values{"limit": {"7"}, "sort": {sort}, "count": {"exact"}}
			for name, values := range filter {
				query[name] = values
			}
			if len(want) > 50 { // pages of those are not what this test is about
				query.Set("limit", "500")
			}
			for cursor := new(string); cursor != nil; {
				if *cursor != "" {
					query.Set("cursor", *cursor)
				}
				p := s.page(token, query)
				if *p.Metadata.Total != len(want) {
					t.Errorf("%v by %s: counts %d of %d", filter, sort, *p.Metadata.Total, len(want))
				}
				for _, c := range p.Data {
					got = append(got, c.ID)
				}
				if cursor = p.Metadata.NextCursor; len(got) > len(want) {
					break
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%v by %s (-want +got):\n%s", filter, sort, diff)
			}
		}
	}
}

package web

import (
	"testing"
	"time"

	"github.com/go-json-experiment/json"
)

func TestTimeInJSON(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		at   time.Time
		want string
	}{
		{time.Date(2026, 11, 23, 4, 5, 6, 7_999_999, time.UTC), `"2026-11-23T04:05:06.007Z"`},
		{time.Date(2026, 11, 23, 4, 5, 6, 980_000_000, time.FixedZone("", -3600)), `"2026-11-23T05:05:06.980Z"`},
		{time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), `"9999-12-31T23:59:59.000Z"`},
	} {
		if got, err := json.Marshal(Time{tc.at}); string(got) != tc.want || err != nil {
			t.Errorf("got %s, %v, want %s", got, err, tc.want)
		}
		if got, err := json.Marshal(map[string]*Time{"t": {tc.at}}); string(got) != `{"t":`+tc.want+`}` || err != nil {
			t.Errorf("got %s, %v", got, err)
		}
	}
}

package pg

import "testing"

func TestSuitable(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		version  int
		replica  bool
		encoding string
		want     bool
	}{
		{150000, false, "UTF8", true}, {180003, false, "UTF8", true}, {149999, false, "UTF8", false}, {90624, false, "UTF8", false},
		{150018, true, "UTF8", false}, {150018, false, "SQL_ASCII", false}, {150018, false, "", false},
	} {
		if got := suitable(tc.version, tc.replica, tc.encoding); got != tc.want {
			t.Errorf("%+v: got %v", tc, got)
		}
	}
}

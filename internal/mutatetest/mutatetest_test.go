package mutatetest

import (
	"bytes"
	"testing"
)

func TestEach(t *testing.T) {
	t.Parallel()
	run := func() (all [][]byte) {
		Each(1000, [][]byte{[]byte("GET /a HTTP/1.1\r\nHost: x\r\n\r\n"), {}}, func(in []byte) { all = append(all, in) })
		return all
	}
	first, second := run(), run()
	different := map[string]bool{}
	for i, in := range first {
		if !bytes.Equal(in, second[i]) {
			t.Fatalf("input %d is %q and then %q", i, in, second[i])
		}
		different[string(in)] = true
	}
	if len(first) != 1000 || len(different) < 500 {
		t.Errorf("%d inputs, %d different ones", len(first), len(different))
	}
}

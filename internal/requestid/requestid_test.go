package requestid_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"gatehouse/internal/requestid"
)

func TestNewIsValidAndUnique(t *testing.T) {
	t.Parallel()
	digits := regexp.MustCompile(`^[0-9a-f]{32}$`)
	seen := map[string]bool{}
	for range 10_000 {
		id := requestid.New()
		if !digits.MatchString(id) {
			t.Fatalf("New() = %q, want 32 hexadecimal digits", id)
		}
		if !requestid.Valid(id) {
			t.Fatalf("New() = %q, which Valid refuses", id)
		}
		if seen[id] {
			t.Fatalf("New() gave %q twice", id)
		}
		seen[id] = true
	}
}

func TestNewDrawsEveryDigit(t *testing.T) {
	t.Parallel()
	// A digit that never changes would mean fewer than 128 random bits. Among
	// 1,000 identifiers one that does change is missed once in 16^999.
	first := requestid.New()
	changed := [32]bool{}
	for range 1_000 {
		id := requestid.New()
		for i := range changed {
			changed[i] = changed[i] || id[i] != first[i]
		}
	}
	for i, c := range changed {
		if !c {
			t.Errorf("digit %d is always %c", i, first[i])
		}
	}
}

func TestValid(t *testing.T) {
	t.Parallel()
	for _, id := range []string{
		"12345678", "abcdefgh", "ABCDEFGH", "........", "--------", "________", "a.b_c-D9",
		"4f0c2a91-d37b-4e58-9a10-c2b7d4e6f801", strings.Repeat("x", 64),
	} {
		if !requestid.Valid(id) || !requestid.Valid([]byte(id)) {
			t.Errorf("%q is refused", id)
		}
	}
	for _, id := range []string{
		"", "1", "1234567", strings.Repeat("x", 65), strings.Repeat("x", 4096),
		" 12345678", "12345678 ", "1234 5678", "12345678\n", "12345678\r\nX: y", "1234\x005678", "12345678\x7f",
		"12345/78", "1234:678", "12345@78", "12345[78", "12345`78", "12345{78", "1234+678", "1234,678",
		"12345\"78", "12345%78", "12345\\78", "ééééé", "12345678\xff", "日本語日本語日本語",
	} {
		if requestid.Valid(id) || requestid.Valid([]byte(id)) {
			t.Errorf("%q is accepted", id)
		}
	}
}

func FuzzValid(f *testing.F) {
	f.Add("12345678")
	f.Add("")
	f.Add("1234\x005678")
	f.Add(strings.Repeat("x", 65))
	pattern := regexp.MustCompile(`^[A-Za-z0-9._-]{8,64}\z`)
	f.Fuzz(func(t *testing.T, id string) {
		want := pattern.MatchString(id)
		if got := requestid.Valid(id); got != want {
			t.Errorf("Valid(%q) = %v, want %v", id, got, want)
		}
		if got := requestid.Valid([]byte(id)); got != want {
			t.Errorf("Valid of the bytes %q = %v, want %v", id, got, want)
		}
	})
}

// Not parallel: AllocsPerRun counts what the whole process allocates.
func TestValidAllocatesNothing(t *testing.T) {
	id := []byte("4f0c2a91d37b4e584f0c2a91d37b4e58")
	if n := testing.AllocsPerRun(100, func() { requestid.Valid(id) }); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

func ExampleValid() {
	for _, id := range []string{"4f0c2a91d37b4e58", "short", "line\nbreak-in-it"} {
		fmt.Println(requestid.Valid(id))
	}
	// Output:
	// true
	// false
	// false
}

func ExampleNew() {
	id := requestid.New()
	fmt.Println(len(id), requestid.Valid(id))
	// Output: 32 true
}

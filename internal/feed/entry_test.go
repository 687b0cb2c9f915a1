package feed

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseEntries(t *testing.T) {
	t.Parallel()
	entry := func(id string, fields ...any) any { return []any{id, fields} }
	items, last, err := parseEntries([]any{
		entry("5-0", "kind", Session, "key", "a", "version", "0", "value", "", "expires", "1500"),
		entry("5-1", "kind", kindSeed, "key", "mark", "expires", "1"),
		entry("6-0", "kind", Session, "key", "odd", "expires"),
		entry("7-0", "kind", Tenant, "key", "b", "version", "3", "value", "{}", "expires", "", "more", "x"),
		[]any{"8-0", nil}, // an entry that was deleted
		entry("9-0", "kind", 7, "key", "c", "expires", "1"),
	}, "4-0")
	want := []Item{
		{Kind: Session, Key: "a", Value: []byte{}, Expires: time.UnixMilli(1500)},
		{Kind: Tenant, Key: "b", Version: 3, Value: []byte("{}")},
	}
	if diff := cmp.Diff(want, items); diff != "" || last != "9-0" || err != nil {
		t.Errorf("last %s, error %v (-want +got):\n%s", last, err, diff)
	}
	if _, last, err := parseEntries(nil, "4-0"); last != "4-0" || err != nil {
		t.Errorf("of no entries, the last is %s (%v)", last, err)
	}
	for _, wrong := range []any{nil, "x", []any{}, []any{"5-0"}, []any{5, []any{}}, []any{"x", []any{}}, []any{"5", []any{}}} {
		if _, last, err := parseEntries([]any{wrong}, "4-0"); err == nil || last != "4-0" {
			t.Errorf("%v: there is no id, and no error; the last is %s", wrong, last)
		}
	}
}

func TestParseState(t *testing.T) {
	t.Parallel()
	for field, text := range map[string]string{
		"": "", "tenant": "1 {}", "tenant:": "1 {}", ":a": "1 {}", "tenant:a": "", "tenant:b": "0 {}",
		"tenant:c": "1", "tenant:d": "1 ", "tenant:e": " {}", "tenant:f": "+1 {}",
	} {
		if item, ok := parseState(field, text); ok {
			t.Errorf("%q %q was read as %v", field, text, item)
		}
	}
	if item, ok := parseState("tenant:a:b", "12 {} "); !ok || item.Key != "a:b" || item.Version != 12 || string(item.Value) != "{} " {
		t.Errorf("a good state was read as %v (%v)", item, ok)
	}
}

// FuzzEntry reads entries of any content and shape.
func FuzzEntry(f *testing.F) {
	f.Add("1-1", []byte{0}, "kind", Session, "key", "a", "expires", "12")
	f.Add("1-1", []byte{1}, "kind", Tenant, "key", "a", "version", "9007199254740991")
	f.Add("", []byte{2, 3}, "", "", "", "", "", "")
	f.Add("18446744073709551616-0", []byte{4}, "version", "-1", "expires", "99999999999999999999", "value", "\xff")
	f.Fuzz(func(t *testing.T, id string, shape []byte, a, b, c, d, e, g string) {
		fields := []any{a, b, c, d, e, g, "value", "{}"}
		entry := []any{id, fields}
		for _, s := range shape {
			switch i := int(s>>3) % len(fields); s & 7 {
			case 1:
				fields[i] = int64(s)
			case 2:
				fields[i] = nil
			case 3:
				fields[i] = []any{a}
			case 4:
				entry[1] = fields[:i]
			case 5:
				entry[0] = nil
			case 6:
				entry = entry[:min(len(entry), i)]
			case 7:
				entry = append(entry, d)
			}
			if len(entry) < 2 {
				break
			}
		}
		items, last, err := parseEntries([]any{any(entry), []any{"7-7", []any{"kind", Session, "key", "k", "expires", "5"}}}, "0-1")
		if err != nil {
			if last != "0-1" {
				t.Errorf("failed, and goes on from %q", last)
			}
			return
		}
		if last != "7-7" || len(items) == 0 || len(items) > 2 || items[len(items)-1].Key != "k" {
			t.Errorf("%v up to %s", items, last)
		}
		for _, item := range items {
			if !item.whole() || item.Version < 0 || item.Version >= 1<<53 {
				t.Errorf("%+v is not whole", item)
			}
		}
		if item, ok := parseState(a, b); ok && (!item.whole() || item.Version == 0 || item.Kind == "") {
			t.Errorf("%+v is no state", item)
		}
		covers(a, b)
	})
}

package feed

import (
	"strconv"
	"strings"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// malformed counts entries and states that were skipped because nobody can tell
// what they mean; all that backends write is well formed.
var malformed = metrics.NewCounter(`feed_malformed_total`)

// parseEntries reads a part of the log. Entries that are not well formed are
// counted and skipped. It returns the last id besides, or known if there is no
// entry, and fails only when there is no id to go on from.
func parseEntries(entries []any, known string) ([]Item, string, error) {
	items := make([]Item, 0, len(entries))
	for _, e := range entries {
		pair, ok := e.([]any)
		if !ok || len(pair) != 2 {
			return nil, known, errAnswer
		}
		text, ok := pair[0].(string)
		if !ok {
			return nil, known, errAnswer
		}
		if _, ok := parseID(text); !ok {
			return nil, known, errAnswer
		}
		known = text
		switch item, ok := parseEntry(pair[1]); {
		case !ok:
			malformed.Inc()
		case item.Kind != kindSeed:
			items = append(items, item)
		}
	}
	return items, known, nil
}

// parseEntry reads the fields of an entry. Fields that it does not know are a
// newer version's.
func parseEntry(fields any) (Item, bool) {
	list, ok := fields.([]any)
	if !ok || len(list)%2 != 0 {
		return Item{}, false
	}
	var item Item
	for i := 0; i < len(list); i += 2 {
		name, ok1 := list[i].(string)
		value, ok2 := list[i+1].(string)
		if !ok1 || !ok2 {
			return Item{}, false
		}
		ok := true
		switch name {
		case "kind":
			item.Kind = value
		case "key":
			item.Key = value
		case "version":
			item.Version, ok = parseNumber(value)
		case "value":
			item.Value = []byte(value)
		case "expires":
			item.Expires, ok = parseTime(value)
		}
		if !ok {
			return Item{}, false
		}
	}
	return item, item.whole()
}

// whole reports whether an item says all it must.
func (item *Item) whole() bool {
	switch {
	case item.Kind == "" || item.Key == "":
		return false
	case item.Kind == kindSeed:
		return true
	case item.Version == 0:
		return !item.Expires.IsZero()
	}
	return len(item.Value) > 0
}

// parseState reads a field of the hash of states: kind:key is version value.
func parseState(field, text string) (Item, bool) {
	kind, key, ok1 := strings.Cut(field, ":")
	version, value, ok2 := strings.Cut(text, " ")
	number, ok3 := parseNumber(version)
	item := Item{Kind: kind, Key: key, Version: number, Value: []byte(value)}
	return item, ok1 && ok2 && ok3 && number > 0 && item.whole()
}

// parseNumber reads an integer below 2^53, up to which the scripts are exact.
func parseNumber(text string) (int64, bool) {
	n, err := strconv.ParseUint(text, 10, 53)
	return int64(n), err == nil
}

// parseTime reads milliseconds since 1970; "" is no time.
func parseTime(text string) (time.Time, bool) {
	if text == "" {
		return time.Time{}, true
	}
	ms, ok := parseNumber(text)
	return time.UnixMilli(ms), ok
}

// entryID is the id of an entry: milliseconds of Redis's clock, and a number
// within them.
type entryID struct{ ms, seq uint64 }

func parseID(text string) (entryID, bool) {
	ms, seq, ok := strings.Cut(text, "-")
	var id entryID
	var err1, err2 error
	id.ms, err1 = strconv.ParseUint(ms, 10, 64)
	id.seq, err2 = strconv.ParseUint(seq, 10, 64)
	return id, ok && err1 == nil && err2 == nil
}

// after reports whether an entry was added after another one, in one log.
func (id entryID) after(other entryID) bool {
	return id.ms > other.ms || id.ms == other.ms && id.seq > other.seq
}

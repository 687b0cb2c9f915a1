package feed

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed common.lua
var commonText string

//go:embed look.lua
var lookText string

//go:embed publish.lua
var publishText string

// The scripts go by their digests; a Redis that does not know one, because it was
// restarted, gets its text once.
var (
	lookScript    = redis.NewScript(commonText + lookText)
	publishScript = redis.NewScript(commonText + publishText)
)

// page is a part of the log, and what was true when it was read.
type page struct {
	epoch string
	lost  bool   // the known entry was gone, so nothing was read
	items []Item // of the entries that are well formed
	last  string // id of the last entry, or of the known one if there is none
	size  int    // entries read
}

// look reads up to count entries after a known one, which is missed only if it is
// not older than age.
func look(ctx context.Context, c redis.Scripter, known string, age time.Duration, count int) (page, error) {
	ctx, cancel := context.WithTimeout(ctx, stepTime)
	defer cancel()
	answer, err := lookScript.Run(ctx, c, readKeys, known, age.Milliseconds(), count).Slice()
	if err != nil {
		return page{}, fmt.Errorf("read the feed: %w", err)
	}
	if len(answer) != 3 {
		return page{}, errAnswer
	}
	p := page{last: known}
	var ok1, ok2, ok3 bool
	var lost int64
	var entries []any
	p.epoch, ok1 = answer[0].(string)
	lost, ok2 = answer[1].(int64)
	entries, ok3 = answer[2].([]any)
	if !ok1 || !ok2 || !ok3 {
		return page{}, errAnswer
	}
	p.lost, p.size = lost != 0, len(entries)
	p.items, p.last, err = parseEntries(entries, known)
	return p, err
}

// batch is one call of the script that publishes.
type batch struct {
	after string // the latest entry that the caller added, or ""
	live  bool   // add nothing unless there is an epoch
	epoch string // to be set afterwards, or ""
	items []Item
}

// added is what became of a batch.
type added struct {
	epoch string // before it
	lost  bool   // the entry that the caller had added is gone
	last  string // the latest entry added, or ""
}

func (b *batch) write(ctx context.Context, c redis.Scripter) (added, error) {
	args := make([]any, 0, 4+5*len(b.items))
	live := "0"
	if b.live {
		live = "1"
	}
	args = append(args, b.after, horizon.Milliseconds(), live, b.epoch)
	for i := range b.items {
		item := &b.items[i]
		expires := ""
		if !item.Expires.IsZero() {
			expires = strconv.FormatInt(item.Expires.UnixMilli(), 10)
		}
		args = append(args, item.Kind, item.Key, item.Version, item.Value, expires)
	}
	answer, err := publishScript.Run(ctx, c, writeKeys, args...).Slice()
	if err != nil {
		return added{}, fmt.Errorf("write to the feed: %w", err)
	}
	if len(answer) != 3 {
		return added{}, errAnswer
	}
	var a added
	var ok1, ok2, ok3 bool
	var lost int64
	a.epoch, ok1 = answer[0].(string)
	lost, ok2 = answer[1].(int64)
	a.last, ok3 = answer[2].(string)
	if !ok1 || !ok2 || !ok3 {
		return added{}, errAnswer
	}
	a.lost = lost != 0
	if b.live && a.epoch == "" {
		return a, errNoEpoch
	}
	return a, nil
}

var (
	errAnswer  = errors.New("the feed's script has another answer than it should")
	errNoEpoch = errors.New("the feed is not seeded")
	errLost    = errors.New("redis has lost entries of the feed")
)

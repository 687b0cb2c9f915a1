package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The most that a script is made of: a virtual user for each caller, and a day.
const (
	maxCallers = 2_000
	maxLength  = 24 * time.Hour
)

// A plan is what the script will do.
type plan struct {
	callers []*caller
	tenants int
	length  time.Duration // from the first request to the last
	calls   int
}

// A caller is one tenant's client at one address: the log does not tell users apart
// any better.
type caller struct {
	pseudonym string
	tenant    int // by the order of their first requests
	user      int // within the tenant, likewise
	calls     []call
}

type call struct {
	at        time.Duration // since the first request of all
	operation int
}

// newPlan orders the entries and gives the callers their pseudonyms.
func newPlan(entries []entry, key []byte, speed float64) (*plan, error) {
	if len(entries) == 0 {
		return nil, errors.New("there is nothing to play: is it the log of a gateway with LOG_FORMAT=json?")
	}
	entries = slices.Clone(entries)
	slices.SortStableFunc(entries, func(a, b entry) int { return a.start.Compare(b.start) })
	p := &plan{calls: len(entries)}
	first := entries[0].start
	if span := entries[len(entries)-1].start.Sub(first); span > maxLength {
		return nil, fmt.Errorf("the log covers %v, a script %v at most: give a part of it", span.Round(time.Hour), maxLength)
	}
	home := homes(entries)
	tenants, callers, users := map[string]int{}, map[string]*caller{}, map[int]int{}
	for _, e := range entries {
		if e.tenant == "" {
			e.tenant = home[e.client]
		}
		name := e.tenant + "\x00" + e.client
		c := callers[name]
		if c == nil {
			tenant, known := tenants[e.tenant]
			if !known {
				tenant = len(tenants)
				tenants[e.tenant] = tenant
			}
			c = &caller{pseudonym: pseudonym(key, name), tenant: tenant, user: users[tenant]}
			users[tenant]++
			callers[name] = c
			p.callers = append(p.callers, c)
		}
		at := time.Duration(float64(e.start.Sub(first)) / speed)
		c.calls = append(c.calls, call{at, e.operation})
		p.length = at
	}
	if len(p.callers) > maxCallers {
		return nil, fmt.Errorf("%d callers, a script has %d at most: give a part of the log", len(p.callers), maxCallers)
	}
	p.tenants = len(tenants)
	return p, nil
}

// homes is the first tenant that was seen at each address. Who signs in, refreshes
// or pings has no tenant in the log, and is taken for that one's.
func homes(entries []entry) map[string]string {
	home := map[string]string{}
	for _, e := range entries {
		if e.tenant != "" && home[e.client] == "" {
			home[e.client] = e.tenant
		}
	}
	return home
}

// pseudonym is the same for the same caller under the same key, and tells nothing
// without it.
func pseudonym(key []byte, name string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(name))
	return hex.EncodeToString(mac.Sum(nil)[:8])
}

// write writes the script. Nothing in it comes from the log but times and the
// indices of operations.
func (p *plan) write(w *bytes.Buffer) {
	fmt.Fprintf(w, `// Written by loadtest/replay: %d requests of %d callers from %d tenants.
import { SharedArray } from 'k6/data';
import { replay } from '../lib/replay.js';

export { handleSummary } from '../lib/run.js';

const operations = [%s];

// calls are pairs: milliseconds since the beginning, index of an operation.
const callers = new SharedArray('callers', () => [
`, p.calls, len(p.callers), p.tenants, names())
	for _, c := range p.callers {
		fmt.Fprintf(w, "  { who: '%s', tenant: %d, user: %d, calls: [", c.pseudonym, c.tenant, c.user)
		for i, call := range c.calls {
			if i > 0 {
				w.WriteString(", ")
			}
			fmt.Fprintf(w, "%d, %d", call.at.Milliseconds(), call.operation)
		}
		w.WriteString("] },\n")
	}
	fmt.Fprintf(w, `]);

const run = replay(operations, callers, %d);
export const options = run.options;
export default run.play;
`, int(p.length.Seconds())+1)
}

func names() string {
	var list []string
	for _, o := range operations {
		list = append(list, "'"+o.name+"'")
	}
	return strings.Join(list, ", ")
}

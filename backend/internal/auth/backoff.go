package auth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"net/netip"
	"strings"
	"time"

	"github.com/google/uuid"

	"gatehouse/backend/internal/field"
	"gatehouse/backend/internal/tenantdb"
)

// failureWindow is how long failures are counted, from the first of them on.
const failureWindow = 15 * time.Minute

// limit is how many failures there may be in a window.
type limit struct {
	name string
	most int32
}

var (
	// One guesser does not keep others from signing in under a name ...
	byAddress = limit{"identifier_and_address", 5}
	// ... unless it has many addresses.
	byIdentifier = limit{"identifier", 50}
	// byUser counts wrong current passwords at a change of it.
	byUser = limit{"password_change", 5}
)

// counter counts failures against a limit. Its key says of what.
type counter struct {
	limit
	key []byte
}

func newCounter(l limit, of ...string) counter {
	sum := sha256.Sum256([]byte(l.name + "\x00" + strings.Join(of, "\x00")))
	return counter{l, sum[:]}
}

// loginCounters returns the counters of sign-ins under an identifier from an
// address; the one of the identifier alone is first. A user's name and address
// are one identifier: user is its id, nil when nobody was found.
func loginCounters(user uuid.UUID, identifier, ip string) []counter {
	id := field.Fold(identifier)
	if user != uuid.Nil {
		id = "\x00" + user.String() // like no identifier
	}
	return []counter{newCounter(byIdentifier, id), newCounter(byAddress, id, network(ip))}
}

// network returns the addresses that count as one: IPv6 by its /64, since a
// subscriber has at least that many (RFC 6177).
func network(ip string) string {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return ip
	}
	addr = addr.Unmap().WithZone("")
	if prefix, err := addr.Prefix(64); err == nil && addr.Is6() {
		return prefix.String()
	}
	return addr.String()
}

func keysOf(counters []counter) [][]byte {
	var keys [][]byte
	for _, c := range counters {
		keys = append(keys, c.key)
	}
	return keys
}

// holdOff returns how long it takes until none of the counters is at its limit;
// 0 means that none is. Whoever decides by it keeps others from counting until
// the transaction ends.
func (s *Service) holdOff(ctx context.Context, tx tenantdb.DBTX, tenant string, counters ...counter) (time.Duration, error) {
	rows, err := s.queries.ListLoginFailures(ctx, tx, tenantdb.ListLoginFailuresParams{
		TenantID: tenant, Keys: keysOf(counters), WindowSeconds: failureWindow.Seconds(),
	})
	var wait time.Duration
	for _, row := range rows {
		for _, c := range counters {
			if bytes.Equal(row.Key, c.key) && row.Failures >= c.most {
				wait = max(wait, seconds(row.SecondsLeft), 1)
			}
		}
	}
	return wait, err
}

// countFailure adds one to each counter and returns the limits that were
// reached by that.
func (s *Service) countFailure(ctx context.Context, tx tenantdb.DBTX, tenant string, counters ...counter) ([]limit, error) {
	rows, err := s.queries.CountLoginFailures(ctx, tx, tenantdb.CountLoginFailuresParams{
		TenantID: tenant, Keys: keysOf(counters), WindowSeconds: failureWindow.Seconds(),
	})
	var reached []limit
	for _, row := range rows {
		for _, c := range counters {
			if bytes.Equal(row.Key, c.key) && row.Failures == c.most {
				reached = append(reached, c.limit)
			}
		}
	}
	return reached, err
}

// forget begins a counter anew.
func (s *Service) forget(ctx context.Context, tx tenantdb.DBTX, tenant string, c counter) error {
	return s.queries.ForgetLoginFailures(ctx, tx, tenantdb.ForgetLoginFailuresParams{TenantID: tenant, Key: c.key})
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

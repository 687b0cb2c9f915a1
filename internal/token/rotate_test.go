package token_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/internal/token"
)

// states lists the states of keys in their order.
func states(keys []token.StoredKey) string {
	var list []string
	for _, k := range keys {
		list = append(list, string(k.State))
	}
	return strings.Join(list, " ")
}

func TestRotate(t *testing.T) {
	t.Parallel()
	keys := beginKeys(t, token.EdDSA, token.EdDSA)
	at := now
	for i, want := range []string{"retiring active next", "retiring retiring active next", "retiring retiring retiring active next"} {
		at = at.Add(time.Hour / 2)
		before := states(keys)
		rotated, err := token.Rotate(keys, "", time.Minute, at)
		if err != nil {
			t.Fatal(err)
		}
		if states(keys) != before {
			t.Error("Rotate changed its argument")
		}
		if got := states(rotated); got != want {
			t.Errorf("rotation %d: %s, want %s", i+1, got, want)
		}
		if rotated[i+1].ID != keys[i+1].ID || !rotated[i+1].Since.Equal(at) || !rotated[i].Since.Equal(at) {
			t.Errorf("rotation %d: %+v", i+1, rotated)
		}
		if _, err := token.ParseKeys([]byte(format(t, rotated))); err != nil {
			t.Errorf("rotation %d: %v", i+1, err)
		}
		keys = rotated
	}
	// The first one retired an hour and a half before this.
	keys, err := token.Rotate(keys, "", time.Minute, at.Add(time.Hour/2))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := states(keys), "retiring retiring retiring active next"; got != want {
		t.Errorf("%s, want the oldest one gone: %s", got, want)
	}
}

// TestRotateKeepsKeysWhileTheirTokensLive: the last token of a key may have been
// signed just before the key retired, with the longest lifetime.
func TestRotateKeepsKeysWhileTheirTokensLive(t *testing.T) {
	t.Parallel()
	keys, err := token.Rotate(beginKeys(t, token.HS256, token.HS256), "", 0, now)
	if err != nil {
		t.Fatal(err)
	}
	for after, want := range map[time.Duration]string{
		token.MaxLifetime + token.Leeway + time.Minute:    "retiring retiring active next",
		token.MaxLifetime + token.Leeway + 11*time.Minute: "retiring active next",
	} {
		got, err := token.Rotate(keys, "", 0, now.Add(after))
		if err != nil || states(got) != want {
			t.Errorf("after %v: %s (%v), want %s", after, states(got), err, want)
		}
	}
}

func TestRotateWaitsForEveryProcess(t *testing.T) {
	t.Parallel()
	keys := beginKeys(t, token.EdDSA, token.EdDSA)
	var soon *token.TooSoonError
	for _, age := range []time.Duration{-time.Hour, 0, time.Minute - 1} {
		if _, err := token.Rotate(keys, "", time.Minute, now.Add(age)); !errors.As(err, &soon) {
			t.Errorf("a next key %v old: %v, want a refusal", age, err)
		}
	}
	if _, err := token.Rotate(keys, "", time.Minute, now.Add(20*time.Second)); err == nil || !strings.Contains(err.Error(), "come back in 40s") {
		t.Errorf("got %v", err)
	}
	// Moments have their parts of a second, in the file too.
	late, err := token.ParseKeys([]byte(format(t, beginKeysAt(t, now.Add(999*time.Millisecond), token.EdDSA, token.EdDSA))))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := token.Rotate(late, "", time.Minute, now.Add(time.Minute)); err == nil || !strings.Contains(err.Error(), "59s old") ||
		!strings.Contains(err.Error(), "come back in 1s") {
		t.Errorf("a next key 59.001 s old: %v, want a refusal", err)
	}
	for wait, age := range map[time.Duration]time.Duration{time.Minute: time.Minute, 0: -time.Hour} {
		if _, err := token.Rotate(keys, "", wait, now.Add(age)); err != nil {
			t.Errorf("a next key %v old, for a wait of %v: %v", age, wait, err)
		}
	}
}

func TestRotateChangesTheAlgorithm(t *testing.T) {
	t.Parallel()
	keys, err := token.Rotate(beginKeys(t, token.HS256, token.HS256), token.EdDSA, 0, now)
	if err != nil || keys[2].Algorithm != token.EdDSA {
		t.Fatalf("%+v, %v", keys, err)
	}
	if keys, err = token.Rotate(keys, "", 0, now); err != nil || keys[3].Algorithm != token.EdDSA {
		t.Errorf("the algorithm does not stay: %+v, %v", keys, err)
	}
	for _, wrong := range []token.Algorithm{"RS256", "none", "eddsa"} {
		if _, err := token.Rotate(keys, wrong, 0, now); err == nil {
			t.Errorf("rotated to %s", wrong)
		}
	}
}

func TestRotateWithoutANextKeyMakesOne(t *testing.T) {
	t.Parallel()
	keys, err := token.Rotate(beginKeys(t, token.EdDSA, token.HS256)[:1], "", time.Minute, now)
	if err != nil || states(keys) != "active next" || keys[1].Algorithm != token.EdDSA {
		t.Errorf("%+v, %v", keys, err)
	}
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	keys, err := token.Rotate(beginKeys(t, token.EdDSA, token.EdDSA), "", 0, now)
	if err != nil {
		t.Fatal(err)
	}
	later := now.Add(1500 * time.Millisecond)
	for i, want := range []string{"revoked active next", "retiring revoked active next", "retiring active revoked next"} {
		revoked, err := token.Revoke(keys, keys[i].ID, later)
		if err != nil || states(revoked) != want {
			t.Errorf("%s key: %s (%v), want %s", keys[i].State, states(revoked), err, want)
			continue
		}
		if revoked[i].Secret != "" || !revoked[i].Since.Equal(later) || keys[i].Secret == "" {
			t.Errorf("%s key: %+v, want its secret forgotten", keys[i].State, revoked[i])
		}
		if _, err := token.ParseKeys([]byte(format(t, revoked))); err != nil {
			t.Error(err)
		}
		if _, err := token.Revoke(revoked, keys[i].ID, later); err == nil {
			t.Error("a key is revoked twice")
		}
	}
	if _, err := token.Revoke(keys, "unknown", later); err == nil {
		t.Error("an unknown key is revoked")
	}
	// A file without a next key, edited by hand.
	alone, err := token.Revoke(keys[1:2], keys[1].ID, later)
	if err != nil || states(alone) != "revoked active next" {
		t.Errorf("the only key: %s, %v", states(alone), err)
	}
	// The record goes with time.
	gone, err := token.Rotate(alone, "", 0, later.Add(2*time.Hour))
	if err != nil || states(gone) != "retiring active next" {
		t.Errorf("two hours later: %s, %v", states(gone), err)
	}
}

func TestRevokeAll(t *testing.T) {
	t.Parallel()
	keys, err := token.Rotate(beginKeys(t, token.HS256, token.HS256), token.EdDSA, 0, now)
	if err != nil {
		t.Fatal(err)
	}
	if keys, err = token.Revoke(keys, keys[0].ID, now); err != nil {
		t.Fatal(err)
	}
	d, later := newKeysDir(t, keys), now.Add(time.Minute)
	k := d.open(t)
	old := sign(t, k, ana)

	revoked, err := token.RevokeAll(keys, later)
	if err != nil || states(revoked) != "revoked revoked revoked active next" {
		t.Fatalf("%s, %v", states(revoked), err)
	}
	if revoked[3].Algorithm != token.HS256 || revoked[4].Algorithm != token.EdDSA {
		t.Errorf("the new keys are %s and %s, want the algorithms of the old ones", revoked[3].Algorithm, revoked[4].Algorithm)
	}
	for i, since := range []time.Time{now, later, later} {
		if revoked[i].ID != keys[i].ID || revoked[i].Secret != "" || !revoked[i].Since.Equal(since) {
			t.Errorf("key %d: %+v", i+1, revoked[i])
		}
	}
	d.write(t, format(t, revoked))
	if err := k.Reload(); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Verify(old); token.KindOf(err) != token.UnknownKey {
		t.Errorf("a token of before: %v", err)
	}
	if _, err := k.Verify(sign(t, k, ana)); err != nil {
		t.Errorf("a new token: %v", err)
	}
	// A file without a next key, edited by hand.
	if alone, err := token.RevokeAll(keys[1:2], later); err != nil || !strings.HasSuffix(states(alone), "revoked active next") {
		t.Errorf("the only key: %s, %v", states(alone), err)
	}
}

// fullFile holds as many keys as a file may: an active and a next one, and for
// the rest retiring ones, of which the one at index 7 is the oldest.
func fullFile(t *testing.T) []token.StoredKey {
	t.Helper()
	keys := beginKeys(t, token.EdDSA, token.EdDSA)
	for i := range 98 {
		var err error
		if keys, err = token.Rotate(keys, "", 0, now.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	keys[0], keys[7] = keys[7], keys[0]
	return keys
}

// TestFullFile: nothing prevents a revocation, and a rotation says how long the
// file stays full.
func TestFullFile(t *testing.T) {
	t.Parallel()
	full, later := fullFile(t), now.Add(10*time.Minute)
	const active = 98
	if _, err := token.Rotate(full, "", 0, later); err == nil || !strings.Contains(err.Error(), "come back in 1h0m30s") {
		t.Errorf("a rotation of a full file: %v", err)
	}
	if keys, err := token.Rotate(full, "", 0, later.Add(61*time.Minute)); err != nil || len(keys) >= len(full) {
		t.Errorf("an hour later: %d keys, %v", len(keys), err)
	}
	has := func(keys []token.StoredKey, id string) bool {
		return slices.ContainsFunc(keys, func(k token.StoredKey) bool { return k.ID == id })
	}
	trusts := func(keys []token.StoredKey, id string) bool {
		return slices.ContainsFunc(keys, func(k token.StoredKey) bool { return k.ID == id && k.State != token.StateRevoked })
	}

	// The record of the revoked key is the first that can go.
	keys, err := token.Revoke(full, full[active].ID, later)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := token.ParseKeys([]byte(format(t, keys))); err != nil || trusts(keys, full[active].ID) {
		t.Errorf("the active key's revocation: %v", err)
	}
	for i, k := range full {
		if i != active && !trusts(keys, k.ID) {
			t.Errorf("%s key %d is gone", k.State, i)
		}
	}
	// Without a next key, edited by hand, that is not enough.
	odd := slices.Clone(full)
	odd[99].State, odd[99].Since = token.StateRetiring, later
	if keys, err = token.Revoke(odd, odd[active].ID, later); err != nil || len(keys) != len(odd) || has(keys, odd[7].ID) || !has(keys, odd[0].ID) {
		t.Errorf("a file without a next key: %d keys, %v; want the oldest retiring one gone", len(keys), err)
	}
	// Older records go first.
	keys, err = token.Revoke(full, full[7].ID, later)
	if err != nil {
		t.Fatal(err)
	}
	if keys, err = token.Revoke(keys, full[active].ID, later.Add(time.Second)); err != nil || len(keys) != len(full) ||
		has(keys, full[7].ID) || !has(keys, full[active].ID) {
		t.Errorf("two revocations: %d keys, %v", len(keys), err)
	}
	// A rotation takes the place of records too.
	if keys, err = token.Rotate(keys, "", 0, later); err != nil || len(keys) != len(full) || has(keys, full[active].ID) {
		t.Errorf("a rotation: %d keys, %v", len(keys), err)
	}
	if keys, err = token.RevokeAll(full, later); err != nil {
		t.Fatal(err)
	}
	if _, err := token.ParseKeys([]byte(format(t, keys))); err != nil || inState(keys, token.StateRevoked) != 98 {
		t.Errorf("all: %d revoked, %v", inState(keys, token.StateRevoked), err)
	}
}

func inState(keys []token.StoredKey, s token.State) (n int) {
	for _, k := range keys {
		if k.State == s {
			n++
		}
	}
	return n
}

package token_test

import (
	"errors"
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
	later := now.Add(time.Second)
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

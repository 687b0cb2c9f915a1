package token

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// retireAfter is how long a key that retires still verifies: until none of its
// tokens can be valid, also when a process went on signing with it for ten
// minutes, because the new file came late to it.
const retireAfter = MaxLifetime + Leeway + 10*time.Minute

// TooSoonError says that the next key is so young that some process may not
// know it yet.
type TooSoonError struct{ Age, Wait time.Duration }

// Error implements error.
func (e *TooSoonError) Error() string {
	return fmt.Sprintf("the next key is %v old; it may sign when every process knows it, after %v (come back in %v)",
		e.Age.Truncate(time.Second), e.Wait, roundUp(e.Wait-e.Age))
}

// roundUp rounds up to whole seconds.
func roundUp(d time.Duration) time.Duration {
	return (d + time.Second - 1).Truncate(time.Second)
}

// BeginKeys returns the keys of a new installation: active signs from now on,
// and a new key of the algorithm is next.
func BeginKeys(active StoredKey, next Algorithm, now time.Time) ([]StoredKey, error) {
	k, err := GenerateKey(next, now)
	if err != nil {
		return nil, err
	}
	active.State = StateActive
	return []StoredKey{active, k}, nil
}

// Rotate promotes the next key: the active one retires, and a new one of the
// algorithm becomes next; an empty algorithm is that of the key promoted. Keys
// whose last token has expired are left out, and records of keys that were
// revoked as long ago. It fails with a *[TooSoonError] while the next key is
// younger than wait, and when so many keys are retiring that the file is full.
// Without a next key it only makes one.
func Rotate(keys []StoredKey, next Algorithm, wait time.Duration, now time.Time) ([]StoredKey, error) {
	keys = slices.DeleteFunc(slices.Clone(keys), func(k StoredKey) bool {
		return (k.State == StateRetiring || k.State == StateRevoked) && now.Sub(k.Since) > retireAfter
	})
	i := inState(keys, StateNext)
	if i >= 0 {
		if age := now.Sub(keys[i].Since); wait > 0 && age < wait {
			return nil, &TooSoonError{Age: age, Wait: wait}
		}
		if active := inState(keys, StateActive); active >= 0 {
			keys[active].enter(StateRetiring, now)
		}
		keys[i].enter(StateActive, now)
	}
	keys, err := withNext(keys, next, now)
	if err != nil {
		return nil, err
	}
	keys = dropOldest(keys, StateRevoked)
	if len(keys) > maxKeys {
		first := keys[oldest(keys, StateRetiring)].Since
		return nil, fmt.Errorf("the file is full: it holds at most %d keys, and those that retire are needed for %v (come back in %v)",
			maxKeys, retireAfter, roundUp(first.Add(retireAfter).Sub(now)))
	}
	return keys, nil
}

// Revoke withdraws the trust in a key for good and forgets its secret. When it
// was the active key the next one is promoted at once, however young; a new key
// becomes next when there is none left. A full file is no reason not to: the
// oldest records go then, and after them the keys that have retired first.
func Revoke(keys []StoredKey, id string, now time.Time) ([]StoredKey, error) {
	keys = slices.Clone(keys)
	i := slices.IndexFunc(keys, func(k StoredKey) bool { return k.ID == id })
	switch {
	case i < 0:
		return nil, fmt.Errorf("no key has the kid %q", id)
	case keys[i].State == StateRevoked:
		return nil, fmt.Errorf("the key %s is revoked already", id)
	}
	was, algorithm := keys[i].State, keys[i].Algorithm
	keys[i].revoke(now)
	if was == StateActive {
		next := inState(keys, StateNext)
		if next < 0 { // a file that was edited by hand
			k, err := GenerateKey(algorithm, now)
			if err != nil {
				return nil, err
			}
			keys, next = append(keys, k), len(keys)
		}
		keys[next].enter(StateActive, now)
	}
	keys, err := withNext(keys, "", now)
	return dropOldest(keys, StateRevoked, StateRetiring), err
}

// RevokeAll revokes every key and makes a new active and a new next one, of the
// algorithms of those that they replace.
func RevokeAll(keys []StoredKey, now time.Time) ([]StoredKey, error) {
	keys, err := withNext(slices.Clone(keys), "", now)
	if err != nil {
		return nil, err
	}
	active, err := GenerateKey(keys[inState(keys, StateActive)].Algorithm, now)
	if err != nil {
		return nil, err
	}
	fresh, err := BeginKeys(active, keys[inState(keys, StateNext)].Algorithm, now)
	if err != nil {
		return nil, err
	}
	for i := range keys {
		if keys[i].State != StateRevoked {
			keys[i].revoke(now)
		}
	}
	return dropOldest(append(keys, fresh...), StateRevoked), nil
}

// dropOldest makes the keys few enough for a file, if it can: it leaves out the
// oldest ones of the first state, then of the second.
func dropOldest(keys []StoredKey, states ...State) []StoredKey {
	for _, s := range states {
		for i := oldest(keys, s); i >= 0 && len(keys) > maxKeys; i = oldest(keys, s) {
			keys = slices.Delete(keys, i, i+1)
		}
	}
	return keys
}

// oldest returns the key that has been in the state for longest, or -1.
func oldest(keys []StoredKey, s State) int {
	first := -1
	for i, k := range keys {
		if k.State == s && (first < 0 || k.Since.Before(keys[first].Since)) {
			first = i
		}
	}
	return first
}

// withNext adds a next key if there is none.
func withNext(keys []StoredKey, a Algorithm, now time.Time) ([]StoredKey, error) {
	if inState(keys, StateNext) >= 0 {
		return keys, nil
	}
	if a == "" {
		active := inState(keys, StateActive)
		if active < 0 {
			return nil, errors.New("no key is active")
		}
		a = keys[active].Algorithm
	}
	k, err := GenerateKey(a, now)
	return append(keys, k), err
}

func inState(keys []StoredKey, s State) int {
	return slices.IndexFunc(keys, func(k StoredKey) bool { return k.State == s })
}

func (k *StoredKey) enter(s State, now time.Time) {
	k.State, k.Since = s, now.UTC()
}

// revoke also forgets the secret.
func (k *StoredKey) revoke(now time.Time) {
	k.enter(StateRevoked, now)
	k.Secret = ""
}

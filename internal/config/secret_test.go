package config_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	jsonv2 "github.com/go-json-experiment/json"

	"gatehouse/internal/config"
)

func TestSecretIsNeverPrinted(t *testing.T) {
	t.Parallel()
	const value = "hunter2"
	type holder struct {
		Key  config.Secret
		List []config.Secret
		Map  map[string]config.Secret
	}
	secret := config.Secret(value)
	things := map[string]any{
		"value":   secret,
		"pointer": &secret,
		"struct":  holder{secret, []config.Secret{secret}, map[string]config.Secret{"a": secret}},
		"error":   fmt.Errorf("with %v", secret),
		"joined":  errors.Join(fmt.Errorf("with %s", secret)),
	}
	prints := map[string]func(any) string{
		"Sprint":   func(v any) string { return fmt.Sprint(v) },
		"Sprintln": func(v any) string { return fmt.Sprintln(v) },
		"json":     func(v any) string { b, _ := json.Marshal(v); return string(b) },
		"json v2":  func(v any) string { b, _ := jsonv2.Marshal(v); return string(b) },
		"slog json": func(v any) string {
			var b bytes.Buffer
			slog.New(slog.NewJSONHandler(&b, nil)).Info("m", "v", v)
			return b.String()
		},
		"slog text": func(v any) string {
			var b bytes.Buffer
			slog.New(slog.NewTextHandler(&b, nil)).Info("m", "v", v)
			return b.String()
		},
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%10.3s", "%-20v"} {
		prints[verb] = func(v any) string { return fmt.Sprintf(verb, v) }
	}
	for what, thing := range things {
		for how, show := range prints {
			got := show(thing)
			if strings.Contains(got, value) || strings.Contains(strings.ToLower(got), fmt.Sprintf("%x", value)) {
				t.Errorf("%s of the %s shows the secret: %s", how, what, got)
			}
		}
	}
}

func TestSecretIsMarkedWhenSet(t *testing.T) {
	t.Parallel()
	for secret, want := range map[config.Secret]string{"": "", "hunter2": "(secret)"} {
		if got := fmt.Sprint(secret); got != want {
			t.Errorf("Sprint = %q, want %q", got, want)
		}
		if got := secret.String(); got != want {
			t.Errorf("String = %q, want %q", got, want)
		}
		if got, _ := json.Marshal(secret); string(got) != `"`+want+`"` {
			t.Errorf("JSON = %s, want %q", got, want)
		}
		if got := secret.LogValue().String(); got != want {
			t.Errorf("LogValue = %q, want %q", got, want)
		}
		if got := secret.Reveal(); got != string(secret) {
			t.Errorf("Reveal = %q, want %q", got, string(secret))
		}
	}
}

func TestStrongRefusesWeakSecrets(t *testing.T) {
	t.Parallel()
	const (
		missing = "is missing"
		short   = "bytes; at least 32 random bytes are wanted"
		guessed = "looks like an example or is too repetitive"
	)
	for _, c := range []struct {
		name, secret            string
		production, development string // what each says; empty for nothing
	}{
		{"nothing", "", missing, missing},
		{"31 bytes", goodKey[:31], short, short},
		{"32 bytes", goodKey[:32], "", ""},
		{"random base64", goodKey, "", ""},
		{"random hexadecimal", "8f3ad91c0b72e465f1d08a37c29be654", "", ""},
		{"bytes above ASCII", "\x80\x91\xa2\xb3\xc4\xd5\xe6\xf7\x81\x92\xa3\xb4\xc5\xd6\xe7\xf8\x82\x93\xa4\xb5\xc6\xd7\xe8\xf9\x83\x94\xa5\xb6\xc7\xd8\xe9\xfa", "", ""},
		{"one letter", strings.Repeat("a", 64), guessed, ""},
		{"blanks", strings.Repeat(" ", 40), guessed, ""},
		{"few letters", "abbcaaddbeccbdeaacdbbeadcebbdaecabde", guessed, ""},
		{"a short word many times", strings.Repeat("kZ9!mQ", 8), guessed, ""},
		{"a long word twice", "Tr0ub4dor&3!xyzwTr0ub4dor&3!xyzw", guessed, ""},
		{"a long word almost three times", "kZ9!mQ2#vX7wkZ9!mQ2#vX7wkZ9!mQ2#vX", guessed, ""},
		{"changeme", "ChangeMe-pV7qLx2mN9tRc4Wz8sYb1KdF", guessed, ""},
		{"your-secret", "your-256-bit-secret-goes-right-here!", guessed, ""},
		{"a tutorial's", "MySuperSecretKeyForJwtTokens12345678", guessed, ""},
		{"the digits", "0123456789abcdef0123456789ABCDEF", guessed, ""},
		{"the alphabet", "ABCDEFGHIJKLMNOPQRSTUVWXYZ-and-more", guessed, ""},
		{"the keyboard", "qwertyuiopasdfghjklzxcvbnm-1234567", guessed, ""},
	} {
		for _, mode := range []struct {
			production bool
			want       string
		}{{true, c.production}, {false, c.development}} {
			m := config.Mistakes{Production: mode.production}
			m.Strong("KEY", config.Secret(c.secret))
			got := ""
			if len(m.Names()) > 0 {
				got = m.Error()
			}
			if mode.want == "" && got != "" || !strings.Contains(got, mode.want) {
				t.Errorf("%s, production %v: got %q, want %q", c.name, mode.production, got, mode.want)
			}
		}
	}
}

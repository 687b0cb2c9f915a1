package edge

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"gatehouse/internal/token"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// FuzzAuthenticateHeader checks that the cache changes nothing: a header is
// taken for a caller exactly when its token verifies, and for that caller.
func FuzzAuthenticateHeader(f *testing.F) {
	keys := token.NewKeyring(token.Config{Secret: "a secret for this fuzz test only, 32+", Issuer: "g", Audience: "g"}, time.Now)
	valid, err := keys.Sign(token.Claims{UserID: uuid.New(), Tenant: "t", Username: "u", Session: uuid.New(), Role: token.Member}, time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	a := NewAuthenticator(AuthenticatorOptions{
		Keys: keys, Cache: NewTokenCache(100), Hash: func(string) string { return "" }, Now: time.Now,
	})
	for _, seed := range []string{"", "Bearer ", "Bearer a.b.c", "Bearer " + valid, "bearer  " + valid, "Basic " + valid, "Bearer " + valid + "=", "Bearer\t" + valid} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		for range 2 { // the second time from the cache, if at all
			got, err := a.identify(&Exchange{Fields: Fields{Authorization: []byte(header)}})
			bearer, _ := token.FromBearer(header)
			want, verifyErr := keys.Verify(bearer)
			if (err == nil) != (verifyErr == nil) || err == nil && got.Claims != want {
				t.Fatalf("%q was taken for %+v (%v), want %+v (%v)", header, got, err, want, verifyErr)
			}
		}
	})
}

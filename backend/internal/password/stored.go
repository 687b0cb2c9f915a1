package password

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/text/unicode/norm"
)

// The most that a stored hash may cost, so that no row can exhaust memory or
// keep a processor busy for long. The settings have the same bounds.
const (
	maxMemoryKiB = 1 << 20
	maxTime      = 64
	maxWork      = 4 << 20 // KiB times passes; some seconds
	maxCost      = 14      // of bcrypt: 2^14 rounds, about a second
)

const (
	saltBytes    = 16
	minSaltBytes = 8
	maxSaltBytes = 64
	keyBytes     = 32
)

// ErrMalformed says that a stored hash is neither an argon2id PHC string nor a
// bcrypt hash, or would cost too much to verify.
var ErrMalformed = errors.New("stored password hash cannot be read")

// params are the cost of argon2id.
type params struct {
	memoryKiB, time uint32
}

// key normalises first, so that the same password typed on different keyboards
// is one. The parallelism is 1: requests already run in parallel.
func (p params) key(password string, salt []byte) []byte {
	return argon2.IDKey([]byte(norm.NFC.String(password)), salt, p.time, p.memoryKiB, 1, keyBytes)
}

func (p params) encode(salt, key []byte) string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=1$%s$%s", argon2.Version, p.memoryKiB, p.time,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key))
}

func (p params) valid() bool {
	return p.memoryKiB >= 8 && p.memoryKiB <= maxMemoryKiB && p.time >= 1 && p.time <= maxTime &&
		uint64(p.memoryKiB)*uint64(p.time) <= maxWork
}

// stored is a hash as a row holds it: argon2id, or bcrypt when that is set.
type stored struct {
	params
	salt, key []byte
	bcrypt    []byte
}

func (s *stored) matches(password string) bool {
	if s.bcrypt != nil {
		// As it was typed, which is what the other system hashed.
		return bcrypt.CompareHashAndPassword(s.bcrypt, []byte(password)) == nil
	}
	return subtle.ConstantTimeCompare(s.params.key(password, s.salt), s.key) == 1
}

// bcryptForm leaves out $2x$, which marks hashes of a faulty implementation.
var bcryptForm = regexp.MustCompile(`^\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}$`)

// parse reads a stored hash.
func parse(encoded string) (stored, error) {
	if bcryptForm.MatchString(encoded) {
		if cost, err := bcrypt.Cost([]byte(encoded)); err != nil || cost > maxCost {
			return stored{}, ErrMalformed
		}
		return stored{bcrypt: []byte(encoded)}, nil
	}
	parts := strings.Split(encoded, "$")
	if len(parts) != 6 {
		return stored{}, ErrMalformed
	}
	var s stored
	_, formErr := fmt.Sscanf(parts[3], "m=%d,t=%d", &s.memoryKiB, &s.time)
	var saltErr, keyErr error
	s.salt, saltErr = base64.RawStdEncoding.DecodeString(parts[4])
	s.key, keyErr = base64.RawStdEncoding.DecodeString(parts[5])
	if formErr != nil || saltErr != nil || keyErr != nil || !s.valid() ||
		len(s.salt) < minSaltBytes || len(s.salt) > maxSaltBytes || len(s.key) != keyBytes ||
		s.encode(s.salt, s.key) != encoded { // whatever is not as we write it
		return stored{}, ErrMalformed
	}
	return s, nil
}

//go:build unix

package gateway

import (
	"math"
	"syscall"
)

// fileLimit returns how many files this process may have open.
func fileLimit() (limit int, known bool) {
	var r syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r) != nil || uint64(r.Cur) > math.MaxInt32 { //nolint:unconvert // signed on some systems
		return 0, false
	}
	return int(r.Cur), true
}

//go:build !race

package gateway

// mostAllocations is what one request may allocate on average: its identifier,
// and its share of what is done for many at once, such as renewing a lease.
const mostAllocations = 2

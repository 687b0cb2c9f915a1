//go:build !race

package gateway

// mostAllocations is what one request may allocate between the parsed request
// and the proxy: its identifier and two for its log line, and one to spare.
const mostAllocations = 4

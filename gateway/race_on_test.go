//go:build race

package gateway

// mostAllocations is loose here: under the race detector pools forget things
// on purpose.
const mostAllocations = 30

// Package buildinfo names the running version.
package buildinfo

// Version is set by the linker (-X gatehouse/internal/buildinfo.Version=…);
// a plain `go build` leaves it at "dev".
var Version = "dev"

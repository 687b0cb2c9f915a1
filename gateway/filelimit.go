package gateway

import "gatehouse/gateway/internal/edge"

// What a process needs files for besides clients: backends, Redis, logs,
// listeners. A quarter of them is enough for a small limit, too.
const (
	filesForItself = 256
	sparePart      = 4
)

// fitFiles lowers MAX_CONNECTIONS to what the limit on open files has room for.
// Without room a gateway that is full of idle clients could reach neither its
// backends nor Redis, and accept nobody. The Go runtime has raised the limit to
// the hard one already.
func (g *Gateway) fitFiles(c edge.Config) edge.Config {
	limit, known := fileLimit()
	if !known {
		return c
	}
	room := roomIn(limit, filesForItself+len(g.config.Proxy.Backends)*g.config.Proxy.MaxConns)
	if c.MaxConnections > room {
		g.log.Warn("the limit on open files is too low for MAX_CONNECTIONS; the gateway takes fewer connections",
			"files", limit, "wanted", c.MaxConnections, "connections", room)
		c.MaxConnections = room
	}
	return c
}

// roomIn returns how many of limit files are for clients when spare of them are
// wanted for the rest.
func roomIn(limit, spare int) int { return max(1, limit-min(spare, limit/sparePart)) }

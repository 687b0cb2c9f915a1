package main

import (
	"net"
	"os"
)

// pump copies bytes between each client and a connection of its own to the
// origin, and knows nothing of HTTP: what a request costs any Go program that
// lies in between.
var pump = kind{
	name: "go-pump", about: "copies bytes and reads none of them: the least that a Go program costs",
	start: func(b *bench, p *proxy) error {
		p.tls = ""
		self, err := os.Executable()
		if err != nil {
			return err
		}
		return p.exec(b, os.Environ(), self, pumpCommand, p.plain, b.origin.Addr().String())
	},
}

const pumpCommand = "pump"

func runPump(listen, origin string) error {
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	for {
		client, err := ln.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer client.Close()
			server, err := net.Dial("tcp", origin)
			if err != nil {
				return // which the client sees
			}
			defer server.Close()
			// A request and its answer in turn, each in one piece: two goroutines
			// would wake each other.
			buffer := make([]byte, 16<<10)
			for {
				for _, way := range [...]struct{ from, to net.Conn }{{client, server}, {server, client}} {
					n, err := way.from.Read(buffer)
					if err != nil {
						return
					}
					if _, err := way.to.Write(buffer[:n]); err != nil {
						return
					}
				}
			}
		}()
	}
}

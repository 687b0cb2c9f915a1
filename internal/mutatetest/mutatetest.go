// Package mutatetest lets tests run what fuzz tests check for a short time, with
// the same inputs every time: seeds that were changed at random by a generator
// whose own seed is fixed.
package mutatetest

import (
	"bytes"
	"math/rand/v2"
)

// pieces are what parsers of protocols and paths trip over.
var pieces = []string{
	"\r\n", "\n", "\r", "\r\n\r\n", "\x00", " ", "\t", ":", ",", ";", "/", "//", "..", "%", "%2F", "%00", "?", "#", "{", "}", "[", "]", "@", "\\", "\"",
	"0", "1", "ffffffffffffffff", "-1", "+", "é", "\xff", "chunked", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "Host: y\r\n",
	"GET / HTTP/1.1\r\n", "HTTP/1.1", "\r\n0\r\n\r\n", "Connection: ", "close", "127.0.0.1",
}

// Each calls f n times, with copies of the seeds that were changed in one to four
// places. F may keep what it is given.
func Each(n int, seeds [][]byte, f func(in []byte)) {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same numbers every time are the point
	for range n {
		in := bytes.Clone(seeds[random.IntN(len(seeds))])
		for range 1 + random.IntN(4) {
			in = change(random, in, seeds[random.IntN(len(seeds))])
		}
		f(in)
	}
}

// change returns in with one change; other is what a part may be taken from.
func change(random *rand.Rand, in, other []byte) []byte {
	from := random.IntN(len(in) + 1)
	to := from + random.IntN(min(len(in)-from, 16)+1)
	replace := func(by []byte) []byte { return bytes.Join([][]byte{in[:from], by, in[to:]}, nil) }
	switch random.IntN(6) {
	case 0:
		return replace(nil)
	case 1:
		return replace([]byte{byte(random.IntN(256))})
	case 2: // twice what stands there
		return replace(bytes.Repeat(in[from:to], 2))
	case 3: // the end of another seed
		return append(bytes.Clone(in[:from]), other[random.IntN(len(other)+1):]...)
	default:
		return replace([]byte(pieces[random.IntN(len(pieces))]))
	}
}

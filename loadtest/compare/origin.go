package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/valyala/fasthttp"
)

// answer is the body of what the origin says to every request: 1 KiB of JSON.
var answer = func() []byte {
	const size = 1024
	const head, tail = `{"message":"ok","data":{"id":"019aab12-4d8e-7a90-b3c5-0e1f2a3b4c5d","note":"`, `"}}`
	return []byte(head + strings.Repeat("x", size-len(head)-len(tail)) + tail)
}()

// newOrigin returns the server behind the proxies. It answers whatever it is
// asked, at once.
func newOrigin() *fasthttp.Server {
	return &fasthttp.Server{
		NoDefaultServerHeader: true,
		Handler: func(ctx *fasthttp.RequestCtx) {
			ctx.SetContentType("application/json")
			ctx.Response.Header.Set(fasthttp.HeaderETag, `"7"`)
			ctx.SetBody(answer)
		},
	}
}

var errAnswer = errors.New("not the origin's answer")

// checkAnswer refuses answers that are not the origin's.
func checkAnswer(got []byte) error {
	if !bytes.HasPrefix(got, []byte("HTTP/1.1 200 ")) || !bytes.HasSuffix(got, answer) {
		return fmt.Errorf("%w: %.300q", errAnswer, got)
	}
	return nil
}

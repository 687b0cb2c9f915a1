package route_test

import (
	"fmt"
	"log"

	"gatehouse/gateway/internal/route"
)

func ExampleCompile() {
	table, err := route.Compile([]byte(`
openapi: 3.1.0
info: {title: Example, version: '1'}
paths:
  /things/{id}:
    parameters: [{name: id, in: path, required: true, schema: {type: string}}]
    get:
      x-rate-class: read
      responses: {'200': {description: ok}}
`))
	if err != nil {
		log.Fatal(err)
	}
	r, _ := table.Match([]byte("GET"), []byte("/things/7"))
	fmt.Println(r.Template, r.Public, r.Timeout)
	r, path := table.Match([]byte("PUT"), []byte("/things/7"))
	fmt.Println(r == nil, path.Allow)
	// Output:
	// /things/{id} false 10s
	// true GET, HEAD, OPTIONS
}

package problem_test

import (
	"errors"
	"fmt"

	"gatehouse/internal/problem"
)

func ExampleNew() {
	err := fmt.Errorf("read contact: %w", problem.New(problem.NotFound))

	fmt.Println(problem.Is(err, problem.NotFound))
	fmt.Println(problem.From(err).Code.Status())
	// Output:
	// true
	// 404
}

func ExampleFrom() {
	// An error that is no problem is for the log; the client gets one sentence.
	p := problem.From(errors.New("connection to 10.0.0.7 lost"))

	fmt.Println("log:   ", p)
	fmt.Println("client:", p.Code.Detail())
	// Output:
	// log:    internal: connection to 10.0.0.7 lost
	// client: Something went wrong on our side. Quote the request ID when you report it.
}

func ExampleError_AppendJSON() {
	p := problem.New(problem.ValidationFailed)
	p.Fields = []problem.Field{{Name: "/age", Code: "out_of_range", Message: "must be 0 to 150"}}

	fmt.Println(string(p.AppendJSON(nil, "/api/v1/address-book", "4f0c2a91d37b4e58")))
	// Output:
	// {"type":"urn:gatehouse:problem:validation_failed","title":"Validation failed","status":400,"detail":"Some fields are missing or out of bounds; see errors.","instance":"/api/v1/address-book","code":"validation_failed","message":"Some fields are missing or out of bounds; see errors.","request_id":"4f0c2a91d37b4e58","errors":[{"field":"/age","code":"out_of_range","message":"must be 0 to 150"}]}
}

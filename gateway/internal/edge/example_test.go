package edge_test

import (
	"fmt"

	"gatehouse/gateway/internal/edge"
)

// A step wraps all that follows: it sees the request on the way in and the
// answer on the way out.
func ExampleChain() {
	step := func(name string) edge.Step {
		return func(next edge.Handler) edge.Handler {
			return func(ex *edge.Exchange) {
				fmt.Println(name, "in")
				next(ex)
				fmt.Println(name, "out")
			}
		}
	}
	handler := edge.Chain(func(*edge.Exchange) { fmt.Println("answer") }, step("outer"), step("inner"))
	handler(&edge.Exchange{})
	// Output:
	// outer in
	// inner in
	// answer
	// inner out
	// outer out
}

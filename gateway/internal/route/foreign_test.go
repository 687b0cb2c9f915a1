package route

import "testing"

// TestForeignDocument reads a document that is nobody's of ours.
func TestForeignDocument(t *testing.T) {
	t.Parallel()
	table, err := compileFile(t, "foreign.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for request, want := range map[string]string{
		"/v2/status": "/v2/status", "/status": "", "/v2/orders/": "/v2/orders/", "/v2/orders": "", "/v2/orders//": "",
		"/v2/orders/7": "/v2/orders/{order_id}", "/v2/orders/7.pdf": "/v2/orders/{order_id}.pdf", "/v2/orders/.pdf": "/v2/orders/{order_id}",
		"/v2/orders/7:cancel": "", "/v2/orders/7:other": "/v2/orders/{order_id}", "/v2/orders/7.pdf/": "", "/health": "", "/openapi.json": "", "/docs": "",
	} {
		got := ""
		r, _ := table.Match([]byte("GET"), []byte(request))
		if r != nil {
			got = r.Template
		}
		if got != want {
			t.Errorf("GET %s matched %q, want %q", request, got, want)
		}
	}
	if r, _ := table.Match([]byte("POST"), []byte("/v2/orders/7:cancel")); r == nil || r.ID != "cancelOrder" || r.Public {
		t.Errorf("POST …:cancel = %+v", r)
	}
}

package e2e

import (
	"fmt"
	"regexp"
	"strconv"
	"sync"
	"testing"
)

var issued = regexp.MustCompile(`(?m)^backend_http_requests_total\{.*route="/api/v1/nfe/\{id\}/issue".*\} (\d+)$`)

// issuedBy is how often each backend process was asked to issue a document.
func issuedBy(t *testing.T) (counts []int) {
	t.Helper()
	for _, b := range shared.Backends {
		n := 0
		for _, m := range issued.FindAllStringSubmatch(get(t, b.Ops+"/metrics"), -1) {
			one, err := strconv.Atoi(m[1])
			if err != nil {
				t.Fatal(err)
			}
			n += one
		}
		counts = append(counts, n)
	}
	return counts
}

// Documents of one series that are issued at once, through all gateways and by both
// backend processes, get the numbers from 1 on, each once.
func TestNfeNumbersOverProcesses(t *testing.T) {
	t.Parallel()
	const documents, workers = 200, 8
	c := newClient(t, shared, 0)
	_, _, tokens := c.newTenant(c.operator(), "")
	const nfe = "/api/v1/nfe"
	var emitter struct{ ID string }
	c.do("POST", nfe+"/emitters", tokens.Access, map[string]any{
		"cnpj": "11222333000181", "razao_social": "Padaria São João Ltda", "inscricao_estadual": "110042490114", "regime_tributario": "3",
		"logradouro": "Rua das Flores", "numero": "10", "bairro": "Centro", "codigo_municipio": "3550308", "municipio": "São Paulo", "uf": "SP", "cep": "01001000",
	}).want(201).into(&emitter)
	before := issuedBy(t)
	var mu sync.Mutex
	numbers := map[string]int{}
	var wait sync.WaitGroup
	for w := range workers {
		own := newClient(t, shared, w%len(shared.Gateways))
		wait.Go(func() {
			for range documents / workers {
				var d invoice
				own.do("POST", nfe, tokens.Access, draft(emitter.ID, 1)).want(201).into(&d)
				own.do("POST", nfe+"/"+d.ID+"/issue", tokens.Access, map[string]any{"version": d.Version}).want(200).into(&d)
				mu.Lock()
				numbers[d.Numero]++
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	for n := 1; n <= documents; n++ {
		if times := numbers[fmt.Sprint(n)]; times != 1 {
			t.Errorf("number %d was given %d times", n, times)
		}
	}
	for i, n := range issuedBy(t) {
		if n -= before[i]; n < documents/10 {
			t.Errorf("backend %d has issued %d documents", i+1, n)
		}
	}
}

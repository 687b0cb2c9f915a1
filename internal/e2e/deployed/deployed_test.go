//go:build deployed

package deployed_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// visitor is a client that comes on a new connection each time.
type visitor struct {
	base   string
	token  string
	client *http.Client
}

func setting(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("%s is not set", name)
	}
	return value
}

func file(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(setting(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(text)
}

func newVisitor(t *testing.T) *visitor {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(file(t, "GATEHOUSE_CA")) {
		t.Fatal("GATEHOUSE_CA has no certificate")
	}
	return &visitor{base: setting(t, "GATEHOUSE_URL"), client: &http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			// The certificate is for localhost, wherever the test runs.
			TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "localhost"},
		},
	}}
}

func (v *visitor) do(t *testing.T, method, path string, body any, want int) map[string]any {
	t.Helper()
	var payload bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&payload).Encode(body); err != nil {
			t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), method, v.base+"/api/v1"+path, &payload)
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if v.token != "" {
		req.Header.Set("Authorization", "Bearer "+v.token)
	}
	res, err := v.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != want {
		t.Fatalf("%s %s: %d, want %d\n%s", method, path, res.StatusCode, want, text)
	}
	var answer struct {
		Data map[string]any `json:"data"`
	}
	if len(text) > 0 && want < 300 {
		if err := json.Unmarshal(text, &answer); err != nil {
			t.Fatalf("%s %s: %v\n%s", method, path, err, text)
		}
	}
	return answer.Data
}

// answered reads how many requests a gateway has answered.
func answered(t *testing.T, ops string) float64 {
	t.Helper()
	res, err := http.Get("http://" + ops + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var sum float64
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		name, number, _ := strings.Cut(lines.Text(), "} ")
		if strings.HasPrefix(name, "gateway_http_requests_total{") {
			n, err := strconv.ParseFloat(number, 64)
			if err != nil {
				t.Fatal(err)
			}
			sum += n
		}
	}
	return sum
}

// gateways lists the ops listener of each gateway.
func gateways(t *testing.T) []string {
	t.Helper()
	var all []string
	for name := range strings.SplitSeq(setting(t, "GATEHOUSE_GATEWAYS"), ",") {
		host, port, err := net.SplitHostPort(name)
		if err != nil {
			t.Fatal(err)
		}
		addresses, err := net.DefaultResolver.LookupHost(t.Context(), host)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range addresses {
			all = append(all, net.JoinHostPort(a, port))
		}
	}
	return all
}

// A contact that was made through one gateway is there through all of them, and
// without a token it is nobody's.
func TestDeployed(t *testing.T) {
	all := gateways(t)
	if len(all) < 2 {
		t.Fatalf("gateways %v, want two or more", all)
	}
	before := map[string]float64{}
	for _, ops := range all {
		before[ops] = answered(t, ops)
	}

	v := newVisitor(t)
	v.do(t, "GET", "/address-book", nil, http.StatusUnauthorized)
	session := v.do(t, "POST", "/auth/login", map[string]any{
		"username_or_email": "demo", "password": string(file(t, "GATEHOUSE_PASSWORD_FILE")), "tenant_id": "tenant1",
	}, http.StatusOK)
	v.token, _ = session["access_token"].(string)
	contact := v.do(t, "POST", "/address-book", map[string]any{
		"name": "Ada Lovelace", "gender": false, "age": 36, "address": "12 St James Square, London",
		"phone": "+44 20 7946 0000", "email": "ada@example.com",
	}, http.StatusCreated)
	id, _ := contact["id"].(string)
	for range 8 * len(all) {
		if got := v.do(t, "GET", "/address-book/"+id, nil, http.StatusOK); got["name"] != "Ada Lovelace" {
			t.Fatalf("the contact is %v", got)
		}
	}
	for _, ops := range all {
		if got := answered(t, ops) - before[ops]; got < 1 {
			t.Errorf("the gateway at %s answered nothing", ops)
		}
	}
	v.do(t, "DELETE", "/address-book/"+id, nil, http.StatusOK)
	v.do(t, "POST", "/auth/logout", nil, http.StatusOK)
	v.do(t, "GET", "/address-book", nil, http.StatusUnauthorized)
}

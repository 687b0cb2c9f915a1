package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"golang.org/x/sync/errgroup"

	"gatehouse/internal/stack"
	"gatehouse/internal/token"
)

// An account is one user that the scripts may sign in as.
type account struct {
	Tenant   string `json:"tenant"`
	Plan     string `json:"plan"`
	Username string `json:"username"`
	Password string `json:"password"`
	// Address is the client address that the scripts speak for.
	Address string `json:"address"`
}

// A seeder fills a stack through its public interface, as tenants come to be.
type seeder struct {
	base   string
	client *http.Client
}

// seed makes the tenants with their users and contacts, and returns the users in
// the tenants' order.
func seed(ctx context.Context, s *stack.Stack, tenants []tenant) ([]account, error) {
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.CertPool(), MinVersion: tls.VersionTLS12}}
	defer transport.CloseIdleConnections()
	d := &seeder{base: s.Gateways[0].HTTPS + "/api/v1", client: &http.Client{Transport: transport}}
	operator, err := d.signIn(ctx, account{Tenant: token.PlatformTenant, Username: stack.OperatorUser, Password: s.Secrets.OperatorPassword, Address: "10.255.0.1"})
	if err != nil {
		return nil, err
	}
	var accounts []account
	for n, t := range tenants {
		made, err := d.tenant(ctx, operator, n+1, t)
		if err != nil {
			return nil, err
		}
		accounts = append(accounts, made...)
	}
	return accounts, nil
}

// tenant makes the nth tenant.
func (d *seeder) tenant(ctx context.Context, operator string, n int, t tenant) ([]account, error) {
	id := fmt.Sprintf("%s-%d", t.plan, n)
	err := d.post(ctx, "/admin/tenants", operator, "10.255.0.1", "application/json",
		object{"id": id, "name": "Load " + id, "plan": t.plan, "signup": "open"}, nil)
	if err != nil {
		return nil, err
	}
	accounts := make([]account, t.users)
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for i := range accounts {
		a := account{
			Tenant: id, Plan: t.plan, Username: fmt.Sprintf("user-%d", i+1), Password: "Load-" + rand.Text()[:16] + "-1a",
			Address: fmt.Sprintf("10.%d.%d.%d", n, i/250, 1+i%250),
		}
		accounts[i] = a
		group.Go(func() error {
			return d.post(groupCtx, "/auth/signup", "", a.Address, "application/json", object{
				"tenant_id": a.Tenant, "username": a.Username, "email": a.Username + "@example.com", "password": a.Password,
			}, nil)
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	access, err := d.signIn(ctx, accounts[0])
	if err != nil {
		return nil, err
	}
	if err := d.post(ctx, "/address-book/import", access, accounts[0].Address, "text/csv", contacts(t.contacts), nil); err != nil {
		return nil, err
	}
	return accounts, nil
}

// contacts is a file of n contacts, at most the 10,000 that an import takes.
func contacts(n int) string {
	var b strings.Builder
	b.WriteString("name,gender,age,address,phone,email\n")
	for i := range n {
		fmt.Fprintf(&b, "Ana Souza %d,female,%d,Rua das Flores %d,+55 11 91234-%04d,ana-%d@example.com\n", i, i%90, i, i%10_000, i)
	}
	return b.String()
}

func (d *seeder) signIn(ctx context.Context, a account) (access string, err error) {
	var answer struct {
		Data struct {
			Token string `json:"access_token"`
		}
	}
	err = d.post(ctx, "/auth/login", "", a.Address, "application/json",
		object{"tenant_id": a.Tenant, "username_or_email": a.Username, "password": a.Password}, &answer)
	return answer.Data.Token, err
}

type object map[string]string

// post sends a body, text as it is and an object as JSON, for the client at an
// address.
func (d *seeder) post(ctx context.Context, path, bearer, address, mediaType string, body, answer any) error {
	var content []byte
	switch b := body.(type) {
	case string:
		content = []byte(b)
	default:
		var err error
		if content, err = json.Marshal(b); err != nil {
			return err
		}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, d.base+path, bytes.NewReader(content))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", mediaType)
	request.Header.Set("X-Forwarded-For", address)
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	response, err := d.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= 300 {
		return fmt.Errorf("seed: POST %s: %s: %.300s", path, response.Status, text)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text, answer)
}

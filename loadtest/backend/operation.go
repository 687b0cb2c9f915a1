package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"gatehouse/internal/stack"
)

// operation is a request, and the statement that it carries out after entering the
// tenant.
type operation struct {
	name      string
	share     int // one of so many of a round's requests
	request   func(s *system, i int) []byte
	statement string
	write     bool
	values    map[string]string // of the statement's parameters; others are null
}

const updated = `{"name":"Contact changed","gender":true,"age":33,"address":"Rua das Flores 12","phone":"+55 11 91234-5678","email":"changed@example.com"}`

var operations = []operation{
	{
		name: "a contact by its id", share: 1, statement: "GetContact",
		request: func(s *system, i int) []byte { return s.request("GET", "/api/v1/address-book/"+contactID(i), "") },
	},
	{
		name: "a page of 50 contacts", share: 4, statement: "ListContactsByCreated",
		request: func(s *system, _ int) []byte { return s.request("GET", "/api/v1/address-book?limit=50", "") },
		values: map[string]string{
			"after_created_at": "1970-01-01T00:00:00Z", "after_id": "00000000-0000-0000-0000-000000000000", "row_limit": "51",
		},
	},
	{
		name: "an update of a contact", share: 2, statement: "UpdateContact", write: true,
		request: func(s *system, i int) []byte { return s.request("PUT", "/api/v1/address-book/"+contactID(i), updated) },
		values: map[string]string{
			"name": "Contact changed", "name_sort": "contact changed", "name_key": "contact changed", "gender": "true", "age": "33",
			"address": "Rua das Flores 12", "phone": "+55 11 91234-5678", "email": "changed@example.com", "email_key": "changed@example.com",
		},
	},
}

// request is what a gateway sends.
func (s *system) request(method, path, body string) []byte {
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nAccept: application/json\r\nX-Request-Id: 0123456789abcdef\r\n"+
		"X-Forwarded-For: 192.0.2.1\r\nX-Request-Timeout: 10000\r\nAuthorization: Bearer %s\r\n", method, path, s.token)
	if body != "" {
		head += fmt.Sprintf("Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	return []byte(head + "\r\n" + body)
}

func checkOK(answer []byte) error {
	if !bytes.HasPrefix(answer, []byte("HTTP/1.1 200 ")) {
		return fmt.Errorf("got %.300q", answer)
	}
	return nil
}

// commands are the statements of the tenant plane, by name.
type commands map[string]string

var (
	heads     = regexp.MustCompile(`(?m)^-- name: (\w+) :\w+$`)
	comments  = regexp.MustCompile(`(?m)^\s*--.*\n`)
	parameter = regexp.MustCompile(`sqlc\.narg\('(\w+)'\)|@(\w+)`)
)

func readCommands() (commands, error) {
	root, err := stack.Root()
	if err != nil {
		return nil, err
	}
	c := commands{}
	for _, file := range []string{"enter.sql", "contact.sql"} {
		text, err := os.ReadFile(filepath.Join(root, "sql", "tenant", "queries", file))
		if err != nil {
			return nil, err
		}
		found := heads.FindAllSubmatchIndex(text, -1)
		for i, head := range found {
			end := len(text)
			if i+1 < len(found) {
				end = found[i+1][0]
			}
			c[string(text[head[2]:head[3]])] = strings.TrimSpace(comments.ReplaceAllString(string(text[head[1]:end]), ""))
		}
	}
	return c, nil
}

// script returns what pgbench carries out for an operation on one of the contacts:
// the statements that the backend sends, in one round trip as it does. What is null
// there is written so, since pgbench's variables cannot be.
func (c commands) script(o operation, contact int) string {
	variable := func(match string) string {
		m := parameter.FindStringSubmatch(match)
		switch name := m[1] + m[2]; {
		case name == "id":
			return fmt.Sprintf(":id%d", contact)
		case m[1] != "":
			return "null"
		default:
			return ":" + name
		}
	}
	return `\startpipeline` + "\n" + parameter.ReplaceAllStringFunc(c["EnterSession"]+"\n"+c[o.statement], variable) + "\n" + `\endpipeline` + "\n"
}

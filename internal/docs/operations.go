package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"gatehouse/api"
)

const operationsHead = `# The API

%s

This page is generated from [api/openapi.yaml](../api/openapi.yaml), which a gateway also serves at ` + "`/openapi.json`" + `; every
code of an error is in [errors.md](errors.md), what the limits are in [limits.md](limits.md).

%s
# Operations

%s`

// operationsPage writes the API's document as a page to read.
func operationsPage() (string, error) {
	doc, err := openapi3.NewLoader().LoadFromData(api.Document)
	if err != nil {
		return "", err
	}
	var index, all strings.Builder
	for _, tag := range doc.Tags {
		fmt.Fprintf(&index, "\n**%s**: %s\n\n| | |\n| --- | --- |\n", tag.Name, tag.Description)
		fmt.Fprintf(&all, "## %s\n\n%s\n\n", tag.Name, tag.Description)
		for _, o := range operationsOf(doc, tag.Name) {
			title := fmt.Sprintf("%s %s", o.method, o.path)
			fmt.Fprintf(&index, "| [`%s`](#%s) | %s |\n", title, anchor(title), o.Summary)
			fmt.Fprintf(&all, "### `%s`\n\n", title)
			if err := o.write(&all); err != nil {
				return "", fmt.Errorf("%s: %w", title, err)
			}
		}
	}
	page := fmt.Sprintf(operationsHead, doc.Info.Summary, doc.Info.Description, index.String()+"\n"+all.String())
	return strings.TrimRight(page, "\n") + "\n", nil
}

// anchor is what GitHub makes of a heading that is a method and a path.
func anchor(title string) string {
	return strings.NewReplacer(" ", "-", "/", "", "{", "", "}", "", ".", "").Replace(strings.ToLower(title))
}

type operation struct {
	method, path string
	shared       openapi3.Parameters // those of all operations of the path
	*openapi3.Operation
}

var methods = []string{"GET", "POST", "PUT", "DELETE"}

// operationsOf returns those with a tag, by path and then in the order of methods.
func operationsOf(doc *openapi3.T, tag string) []operation {
	var found []operation
	for _, path := range slices.Sorted(maps.Keys(doc.Paths.Map())) {
		for _, method := range methods {
			item := doc.Paths.Value(path)
			if o := item.GetOperation(method); o != nil && slices.Contains(o.Tags, tag) {
				found = append(found, operation{method, path, item.Parameters, o})
			}
		}
	}
	return found
}

func (o operation) write(w *strings.Builder) error {
	fmt.Fprintf(w, "%s\n\n%s\n\n", strings.TrimSpace(o.Summary+". "+o.Description), o.who())
	if rows := o.parameters(); len(rows) > 0 {
		fmt.Fprintf(w, "| Parameter | In | | |\n| --- | --- | --- | --- |\n%s\n", strings.Join(rows, ""))
	}
	if o.RequestBody != nil {
		if err := writeBody(w, o.RequestBody.Value); err != nil {
			return err
		}
	}
	return o.writeAnswers(w)
}

// who says who may call the operation, and which limit counts it.
func (o operation) who() string {
	who := "any signed-in user"
	if o.Security != nil && len(*o.Security) == 0 {
		who = "anybody"
	}
	if role, ok := o.Extensions["x-role"].(string); ok {
		who = role + "s"
	}
	text := fmt.Sprintf("For %s; limited as `%v`.", who, o.Extensions["x-rate-class"])
	if most, ok := o.Extensions["x-max-body"].(float64); ok {
		text += fmt.Sprintf(" A body may have %s.", size(most))
	}
	return text
}

func size(bytes float64) string {
	for _, unit := range []string{"GiB", "MiB", "KiB"} {
		step := map[string]float64{"GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10}[unit]
		if bytes >= step {
			return strconv.FormatFloat(bytes/step, 'f', -1, 64) + " " + unit
		}
	}
	return strconv.FormatFloat(bytes, 'f', -1, 64) + " bytes"
}

func (o operation) parameters() (rows []string) {
	for _, p := range slices.Concat(o.shared, o.Parameters) {
		if p.Value.Name == "X-Tenant-Id" { // which every operation takes
			continue
		}
		name := "`" + p.Value.Name + "`"
		if p.Value.Required && p.Value.In != "path" {
			name += ", required"
		}
		rows = append(rows, row(name, p.Value.In, kind(p.Value.Schema.Value), p.Value.Description))
	}
	return rows
}

func row(cells ...string) string {
	for i, c := range cells {
		cells[i] = strings.ReplaceAll(strings.Join(strings.Fields(c), " "), "|", "\\|")
	}
	return "| " + strings.Join(cells, " | ") + " |\n"
}

func writeBody(w *strings.Builder, body *openapi3.RequestBody) error {
	for _, media := range slices.Sorted(maps.Keys(body.Content)) {
		content := body.Content[media]
		fmt.Fprintf(w, "Body, `%s`:\n\n", media)
		if rows := members(content.Schema.Value, ""); len(rows) > 0 {
			fmt.Fprintf(w, "| Member | | |\n| --- | --- | --- |\n%s\n", strings.Join(rows, ""))
		}
		if err := writeExample(w, media, content); err != nil {
			return err
		}
	}
	return nil
}

// members describes what an object has, those of objects in it and of lists of
// objects included.
func members(s *openapi3.Schema, prefix string) (rows []string) {
	for _, part := range s.AllOf {
		rows = append(rows, members(part.Value, prefix)...)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		member := s.Properties[name].Value
		shown := "`" + prefix + name + "`"
		if slices.Contains(s.Required, name) {
			shown += ", required"
		}
		rows = append(rows, row(shown, kind(member), member.Description))
		rows = append(rows, members(member, prefix+name+".")...)
		if member.Items != nil {
			rows = append(rows, members(member.Items.Value, prefix+name+"[].")...)
		}
	}
	return rows
}

// kind says in a few words what values a schema takes.
func kind(s *openapi3.Schema) string {
	var words []string
	if s.Type != nil {
		words = append(words, strings.Join(s.Type.Slice(), " or "))
	}
	if s.Format != "" {
		words = append(words, s.Format)
	}
	if len(s.Enum) > 0 {
		var values []string
		for _, v := range s.Enum {
			values = append(values, fmt.Sprintf("`%v`", v))
		}
		words = append(words, "one of "+strings.Join(values, ", "))
	}
	if s.Min != nil && s.Max != nil {
		words = append(words, fmt.Sprintf("%v to %v", number(*s.Min), number(*s.Max)))
	}
	if s.MaxLength != nil && s.Format != "uuid" {
		words = append(words, between(s.MinLength, *s.MaxLength)+" characters")
	}
	if s.MaxItems != nil {
		words = append(words, between(s.MinItems, *s.MaxItems)+" entries")
	}
	for _, part := range s.AllOf {
		if of := kind(part.Value); of != "" {
			words = append(words, of)
		}
	}
	if s.Default != nil {
		words = append(words, fmt.Sprintf("default `%v`", s.Default))
	}
	return strings.Join(words, ", ")
}

func between(least, most uint64) string {
	switch least {
	case 0:
		return fmt.Sprintf("at most %d", most)
	case most:
		return strconv.FormatUint(most, 10)
	}
	return fmt.Sprintf("%d to %d", least, most)
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// writeAnswers shows the success with its example, and lists the errors.
func (o operation) writeAnswers(w *strings.Builder) error {
	var failures []string
	statuses := o.Responses.Map()
	for _, status := range slices.Sorted(maps.Keys(statuses)) {
		answer := statuses[status].Value
		if status >= "400" {
			failures = append(failures, status)
			continue
		}
		fmt.Fprintf(w, "%s: %s\n\n", status, strings.Join(strings.Fields(*answer.Description), " "))
		for _, media := range slices.Sorted(maps.Keys(answer.Content)) {
			if err := writeExample(w, media, answer.Content[media]); err != nil {
				return err
			}
		}
	}
	_, err := fmt.Fprintf(w, "Errors: %s.\n\n", strings.Join(failures, ", "))
	return err
}

func writeExample(w *strings.Builder, media string, content *openapi3.MediaType) error {
	example := content.Example
	most := 0 // of several examples the longest tells most
	for _, name := range slices.Sorted(maps.Keys(content.Examples)) {
		value := content.Examples[name].Value.Value
		text, err := json.Marshal(value)
		if err != nil {
			return err
		}
		if len(text) > most {
			example, most = value, len(text)
		}
	}
	if text, ok := example.(string); ok {
		fmt.Fprintf(w, "```\n%s\n```\n\n", strings.TrimRight(text, "\r\n"))
		return nil
	}
	if example == nil {
		if strings.HasSuffix(media, "json") {
			return errors.New("there is no example of " + media)
		}
		return nil
	}
	text, err := json.MarshalIndent(example, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "```json\n%s\n```\n\n", text)
	return err
}

package route

import (
	"slices"
	"strings"
)

// Alias is where operations answer besides their own paths: what stands under
// To in the document answers under From as well. Both begin and end with a
// slash.
type Alias struct{ From, To string }

// alias reads x-alias of the document. The aliases are paths of the table like
// any others, but with the operations of the paths that they stand for.
func (c *compiler) alias() {
	v, ok := c.doc.Extensions["x-alias"]
	if !ok {
		return
	}
	alias, ok := readAlias(v)
	if !ok {
		c.addf("x-alias: {from: /api/, to: /api/v1/} is wanted, two different prefixes that begin and end with a slash")
		return
	}
	c.table.Alias = &alias
	used := false
	for _, p := range c.paths {
		rest, ok := strings.CutPrefix(p.Template, alias.To)
		if !ok {
			continue
		}
		used = true
		template := alias.From + rest
		if other := c.clash(template, alias.To); other != "" {
			c.addf("%s: its alias %s would match requests of %s", p.Template, template, other)
			continue
		}
		c.table.root.insert(template).path = &Path{Template: p.Template, Allow: p.Allow, Alias: true, byMethod: p.byMethod}
	}
	if !used {
		c.addf("x-alias: no path begins with %s", alias.To)
	}
}

func readAlias(v any) (alias Alias, ok bool) {
	m, _ := v.(map[string]any)
	from, _ := m["from"].(string)
	to, _ := m["to"].(string)
	return Alias{from, to}, len(m) == 2 && from != to && isPrefix(from) && isPrefix(to)
}

// isPrefix reports whether s is the beginning of paths that requests can ask
// for, up to a slash.
func isPrefix(s string) bool {
	path, closed := strings.CutSuffix(s, "/")
	return s == "/" || closed && strings.HasPrefix(path, "/") && !strings.ContainsAny(path, "{}") && !strings.HasSuffix(path, "/") && badTemplate(path) == ""
}

// clash returns a path of the document, or the prefix that aliases stand for,
// of which the alias would take requests; "" for none. Under the prefix that
// goes for paths that the document does not have as well: they must stay
// unknown instead of becoming aliases of something else.
func (c *compiler) clash(template, prefix string) string {
	segments := strings.Split(template, "/")
	for _, p := range c.paths {
		if theirs := strings.Split(p.Template, "/"); len(theirs) == len(segments) && meet(theirs, segments) {
			return p.Template
		}
	}
	under := strings.Split(strings.TrimSuffix(prefix, "/"), "/")
	if len(segments) > len(under) && meet(under, segments[:len(under)]) {
		return prefix
	}
	return ""
}

// meet reports whether there may be requests that match both.
func meet(a, b []string) bool {
	return slices.EqualFunc(a, b, func(x, y string) bool {
		return x == y || strings.Contains(x, "{") || strings.Contains(y, "{")
	})
}

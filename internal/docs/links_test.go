package main

import (
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// document is what links of a page, and links to it, go by.
type document struct {
	links   []string
	anchors map[string]bool
}

var (
	link    = regexp.MustCompile(`!?\[[^\]]*\]\(([^)\s]+)(?: "[^"]*")?\)`)
	heading = regexp.MustCompile(`^#{1,6} +(.+?) *$`)
	code    = regexp.MustCompile("`[^`]*`")
	// what headings lose on their way to an anchor: everything but letters, digits,
	// blanks, hyphens and underscores.
	punctuation = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// read takes a page apart. What is in code leads nowhere.
func read(text string) document {
	d := document{anchors: map[string]bool{}}
	times := map[string]int{}
	fenced := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
			continue
		}
		if fenced {
			continue
		}
		if m := heading.FindStringSubmatch(line); m != nil {
			title := link.ReplaceAllStringFunc(m[1], func(l string) string { return l[1:strings.Index(l, "](")] })
			anchor := strings.ReplaceAll(punctuation.ReplaceAllString(strings.ToLower(title), ""), " ", "-")
			if n := times[anchor]; n > 0 {
				d.anchors[fmt.Sprintf("%s-%d", anchor, n)] = true
			}
			d.anchors[anchor] = true
			times[anchor]++
		}
		for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(line, ""), -1) {
			d.links = append(d.links, m[1])
		}
	}
	return d
}

// pages returns every Markdown file of the repository.
func pages(t *testing.T) map[string]document {
	t.Helper()
	found := map[string]document{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		name := entry.Name()
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (name == "bin" || name == "node_modules" || name == "results" || len(name) > 2 && name[0] == '.' && name != ".github"):
			return fs.SkipDir
		case filepath.Ext(name) != ".md":
			return nil
		}
		text, err := os.ReadFile(path)
		found[path] = read(string(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// Every link within the repository leads to a file that is there, and to a
// heading that it has.
func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	all := pages(t)
	checked := 0
	for name, page := range all {
		for _, l := range page.links {
			target, err := url.Parse(l)
			if err != nil {
				t.Errorf("%s: %q: %v", name, l, err)
				continue
			}
			if target.Scheme != "" {
				if target.Scheme != "https" && target.Scheme != "mailto" {
					t.Errorf("%s: %q is neither https nor mailto", name, l)
				}
				continue
			}
			checked++
			path := name
			if target.Path != "" {
				path = filepath.Join(filepath.Dir(name), filepath.FromSlash(target.Path))
			}
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s: %q leads to nothing", name, l)
				continue
			}
			if target.Fragment != "" && !all[path].anchors[target.Fragment] {
				t.Errorf("%s: %q: the page has no such heading", name, l)
			}
		}
	}
	if checked < 100 {
		t.Errorf("only %d links were found: does this test still read them?", checked)
	}
}

// Every page under docs is to be found from the README, directly or by a page
// that is.
func TestPagesAreReachable(t *testing.T) {
	t.Parallel()
	all := pages(t)
	start := filepath.Join(root, "README.md")
	reached := map[string]bool{start: true}
	for next := []string{start}; len(next) > 0; next = next[1:] {
		for _, l := range all[next[0]].links {
			target, err := url.Parse(l)
			if err != nil || target.Scheme != "" || target.Path == "" {
				continue
			}
			path := filepath.Join(filepath.Dir(next[0]), filepath.FromSlash(target.Path))
			if _, is := all[path]; is && !reached[path] {
				reached[path] = true
				next = append(next, path)
			}
		}
	}
	for name := range all {
		if strings.HasPrefix(name, filepath.Join(root, "docs")) && !reached[name] {
			t.Errorf("%s cannot be found from the README", name)
		}
	}
}

func TestReadPage(t *testing.T) {
	t.Parallel()
	d := read("# One `two`: three\n\n[a](b.md#c) and `[no](no.md)`\n```\n[no](no.md)\n# no\n```\n## [Four](x.md) & five\n## Same\n## Same\n")
	if got, want := fmt.Sprint(d.links), "[b.md#c x.md]"; got != want {
		t.Errorf("links %s, want %s", got, want)
	}
	for _, anchor := range []string{"one-two-three", "four--five", "same", "same-1"} {
		if !d.anchors[anchor] {
			t.Errorf("no anchor %q in %v", anchor, d.anchors)
		}
	}
	if len(d.anchors) != 4 {
		t.Errorf("anchors %v, want four", d.anchors)
	}
}

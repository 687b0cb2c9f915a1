package stack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// oldestPostgres is the lowest major version that the schema works with.
const oldestPostgres = 15

// postgresPrograms is a directory that holds initdb and postgres.
type postgresPrograms struct {
	dir     string
	version string // such as 15.18
	major   int
}

// A postgresSearch looks for PostgreSQL's programs.
type postgresSearch struct {
	bin   string   // PG_BIN: look here and nowhere else
	path  string   // PATH
	globs []string // where systems install them, best first
	// fetch gets them from a package registry, or says why it does not.
	fetch func(context.Context) (dir string, err error)
}

func newPostgresSearch(progress io.Writer) *postgresSearch {
	return &postgresSearch{
		bin:  os.Getenv("PG_BIN"),
		path: os.Getenv("PATH"),
		globs: []string{
			"/usr/lib/postgresql/*/bin",
			"/usr/pgsql-*/bin",
			"/usr/libexec/postgresql*",
			"/opt/homebrew/opt/postgresql*/bin",
			"/usr/local/opt/postgresql*/bin",
			"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
			"/Applications/Postgres.app/Contents/Versions/*/bin",
		},
		fetch: func(ctx context.Context) (string, error) { return fetchPostgres(ctx, fetchHome(), progress) },
	}
}

// find returns programs of the wanted major version if there are any; 0 wants
// the first that are recent enough. It fetches them when none are installed.
func (s *postgresSearch) find(ctx context.Context, wanted int) (postgresPrograms, error) {
	if s.bin != "" {
		found, err := inspectPostgres(ctx, s.bin)
		if err == nil && found.major < oldestPostgres {
			err = fmt.Errorf("it holds PostgreSQL %s, and %d is the oldest that will do", found.version, oldestPostgres)
		}
		if err != nil {
			return found, fmt.Errorf("PG_BIN=%s: %w", s.bin, err)
		}
		return found, nil
	}
	best, tooOld := s.installed(ctx, wanted)
	ok := best.dir != ""
	if ok && (wanted == 0 || wanted == best.major || wanted != fetchedMajor) {
		return best, nil // another version than the wanted one is the caller's to report
	}
	dir, err := s.fetch(ctx)
	if err == nil {
		var fetched postgresPrograms
		if fetched, err = inspectPostgres(ctx, dir); err == nil {
			return fetched, nil
		}
	}
	switch {
	case ok:
		return best, nil
	case ctx.Err() != nil:
		return best, context.Cause(ctx)
	case tooOld != "":
		return best, fmt.Errorf("this machine has PostgreSQL %s, %d is the oldest that will do, and %w: run `%s`, with which one is fetched",
			tooOld, oldestPostgres, err, installCommand("npm"))
	default:
		return best, fmt.Errorf("there is no PostgreSQL on this machine, and %w: run `%s`", err, installCommand("postgresql"))
	}
}

// installed returns the best programs on this machine: the wanted ones before
// the first of the chain. When none will do, tooOld is the version of some
// that are too old, if there are any.
func (s *postgresSearch) installed(ctx context.Context, wanted int) (best postgresPrograms, tooOld string) {
	for _, dir := range s.candidates() {
		found, err := inspectPostgres(ctx, dir)
		switch {
		case err != nil:
		case found.major < oldestPostgres:
			tooOld = found.version
		case found.major == wanted:
			return found, ""
		case best.dir == "":
			best = found
		}
	}
	return best, tooOld
}

// candidates returns the directories that hold an initdb, best first: those in
// PATH, then those of each glob, the highest version first.
func (s *postgresSearch) candidates() []string {
	var dirs []string
	for _, dir := range filepath.SplitList(s.path) {
		// A link in PATH leads to the directory with the other programs.
		if file, err := filepath.EvalSymlinks(filepath.Join(dir, "initdb")); err == nil {
			dirs = append(dirs, filepath.Dir(file))
		}
	}
	for _, glob := range s.globs {
		matches, _ := filepath.Glob(filepath.Join(glob, "initdb"))
		slices.SortFunc(matches, func(a, b string) int { return cmp.Compare(majorIn(b), majorIn(a)) })
		for _, file := range matches {
			dirs = append(dirs, filepath.Dir(file))
		}
	}
	return dirs
}

var lastNumber = regexp.MustCompile(`(\d+)\D*$`)

// majorIn reads the version from a path such as /usr/lib/postgresql/15/bin.
func majorIn(path string) int {
	m := lastNumber.FindStringSubmatch(path)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

var versionLine = regexp.MustCompile(`\(PostgreSQL\) ((\d+)\S*)`)

// inspectPostgres reads the version of the programs in dir.
func inspectPostgres(ctx context.Context, dir string) (postgresPrograms, error) {
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return postgresPrograms{}, errors.New("there is no initdb")
	}
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return postgresPrograms{}, fmt.Errorf("its postgres does not run: %w", err)
	}
	m := versionLine.FindSubmatch(out)
	if m == nil {
		return postgresPrograms{}, fmt.Errorf("its postgres calls itself %q", strings.TrimSpace(string(out)))
	}
	major, err := strconv.Atoi(string(m[2]))
	return postgresPrograms{dir: dir, version: string(m[1]), major: major}, err
}

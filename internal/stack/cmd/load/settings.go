package main

import (
	"fmt"
	"path/filepath"
	"strconv"
)

// settings is what the environment says; make hands on what stands behind it on
// its command line.
type settings struct {
	duration  string // DURATION: how long the run lasts; "" for what the script is made for
	scale     string // SCALE: multiplies rates, virtual users and accounts; "" for 1
	accessLog string // ACCESS_LOG: a file that the gateways' lines are appended to
	profile   string // PROFILE: anything takes CPU profiles in the middle of the run
}

func readSettings(getenv func(string) string) settings {
	return settings{duration: getenv("DURATION"), scale: getenv("SCALE"), accessLog: getenv("ACCESS_LOG"), profile: getenv("PROFILE")}
}

// accounts is how many users stand for n at this scale.
func (s settings) accounts(n int) (int, error) {
	if s.scale == "" {
		return n, nil
	}
	factor, err := strconv.ParseFloat(s.scale, 64)
	if err != nil || !(factor > 0 && factor <= maxScale) {
		return 0, fmt.Errorf("SCALE must be a number above 0, at most %d, is %s", maxScale, s.scale)
	}
	return max(1, int(float64(n)*factor+0.5)), nil
}

// maxScale keeps a slip from making a million accounts.
const maxScale = 100

// environment is what the processes are told besides the scenario's own.
func (s settings) environment() ([]string, error) {
	if s.accessLog == "" {
		return nil, nil
	}
	path, err := filepath.Abs(s.accessLog)
	if err != nil {
		return nil, fmt.Errorf("ACCESS_LOG: %w", err)
	}
	return []string{"LOG_FILE=" + path}, nil
}

// Package machine gives programs that measure others the machine's cores and the
// CPU time and memory of processes, on Linux.
package machine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Core is where what is measured runs, one thing at a time under load.
const Core = "0"

// RestOfCores is where everything else runs.
func RestOfCores() string { return "1-" + strconv.Itoa(runtime.NumCPU()-1) }

// PinSelf moves all threads of this process away from what is measured.
func PinSelf() error {
	if runtime.NumCPU() < 2 {
		return errors.New("there is one core, and what is measured needs one for itself")
	}
	if err := move(os.Getpid(), RestOfCores()); err != nil {
		return err
	}
	runtime.GOMAXPROCS(runtime.NumCPU() - 1)
	return nil
}

// Pin moves a process and its descendants to [Core].
func Pin(pid int) error {
	family, err := familyOf(pid)
	if err != nil {
		return err
	}
	for _, p := range family {
		if err := move(p, Core); err != nil {
			return err
		}
	}
	return nil
}

func move(pid int, cores string) error {
	out, err := exec.Command("taskset", "-a", "-p", "-c", cores, strconv.Itoa(pid)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("taskset (of util-linux): %w: %s", err, out)
	}
	return nil
}

// CPUTime is what a process and all its descendants have used, those that ended
// included, to 10 ms.
func CPUTime(pid int) (time.Duration, error) {
	family, err := familyOf(pid)
	if err != nil {
		return 0, err
	}
	const tick = 10 * time.Millisecond // USER_HZ is 100 wherever Go runs
	var sum time.Duration
	for _, p := range family {
		fields, err := statOf(p)
		if err != nil {
			return 0, err
		}
		for _, f := range fields[11:15] { // utime, stime, cutime, cstime
			n, err := strconv.ParseInt(f, 10, 64)
			if err != nil {
				return 0, err
			}
			sum += time.Duration(n) * tick
		}
	}
	return sum, nil
}

// familyOf returns a process and its descendants.
func familyOf(pid int) ([]int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		return nil, errors.New("there is no /proc")
	}
	children := map[int][]int{}
	for _, path := range stats {
		p, err := strconv.Atoi(strings.Split(path, "/")[2])
		if err != nil {
			return nil, err
		}
		fields, err := statOf(p)
		if err != nil {
			continue // it ended meanwhile
		}
		parent, err := strconv.Atoi(fields[1])
		if err != nil {
			return nil, err
		}
		children[parent] = append(children[parent], p)
	}
	family := []int{pid}
	for i := 0; i < len(family); i++ {
		family = append(family, children[family[i]]...)
	}
	return family, nil
}

// statOf returns what /proc/pid/stat holds from the process's state on.
func statOf(pid int) ([]string, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	_, rest, _ := strings.Cut(string(b[strings.LastIndexByte(string(b), ')'):]), " ") // the name may hold anything
	fields := strings.Fields(rest)
	if len(fields) < 15 {
		return nil, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	return fields, nil
}

// Resident is the memory that a process and its descendants hold, in MiB.
func Resident(pid int) (float64, error) {
	family, err := familyOf(pid)
	if err != nil {
		return 0, err
	}
	sum := 0.0
	for _, p := range family {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p))
		if err != nil {
			return 0, err
		}
		_, rest, _ := strings.Cut(string(status), "VmRSS:")
		fields := strings.Fields(rest)
		if len(fields) == 0 {
			continue
		}
		kib, err := strconv.ParseFloat(fields[0], 64)
		if err != nil {
			return 0, err
		}
		sum += kib / 1024
	}
	return sum, nil
}

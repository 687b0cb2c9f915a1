package stack

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// attributes ties the child to this process: the kernel sends it orphanSignal
// when this process dies. A process group of its own keeps a Ctrl-C in the
// terminal from reaching it, so that this process decides the order of ending.
func attributes(orphanSignal syscall.Signal, who *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: orphanSignal, Credential: who}
}

// processes returns the parent of every process that is not a zombie.
func processes() (map[int]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	parents := map[int]int{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue // it has ended meanwhile
		}
		// pid (name) state ppid …, where the name may hold blanks and brackets.
		_, rest, _ := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')')+1:]), " ")
		fields := strings.Fields(rest)
		if len(fields) < 2 || fields[0] == "Z" {
			continue
		}
		if ppid, err := strconv.Atoi(fields[1]); err == nil {
			parents[pid] = ppid
		}
	}
	return parents, nil
}

// programName returns the name of a process's program, or "".
func programName(pid int) string {
	name, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
	return strings.TrimSpace(string(name))
}

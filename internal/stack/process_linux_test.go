package stack

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

func TestChildrenDieWithTheirParent(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "STACK_TEST_PARENT=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var dir string
	var pids []int
	for lines := bufio.NewScanner(out); lines.Scan() && lines.Text() != "end"; {
		if pid, err := strconv.Atoi(lines.Text()); err == nil {
			pids = append(pids, pid)
		} else {
			dir = lines.Text()
		}
	}
	before, err := processes()
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		if before[pid] != cmd.Process.Pid {
			t.Errorf("%d is no child of the parent", pid)
		}
	}
	for child, parent := range before {
		for _, pid := range pids {
			if parent == pid {
				pids = append(pids, child) // PostgreSQL's own children
				break
			}
		}
	}
	if len(pids) < 5 {
		t.Fatalf("the parent has only started %v (%s)", pids, dir)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	eventually(t, "all children have ended", func() bool {
		after, err := processes()
		if err != nil {
			t.Fatal(err)
		}
		for _, pid := range pids {
			if _, ok := after[pid]; ok {
				return false
			}
		}
		return true
	})
	if !strings.HasPrefix(dir, "/") {
		t.Fatalf("the parent's directory is %q", dir)
	}
	next, err := newThrowaway(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Errorf("%s is left", dir)
	}
	if err := next.remove(); err != nil {
		t.Error(err)
	}
}

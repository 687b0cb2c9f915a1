package stack

import (
	"os"
	"os/exec"
)

// packageManagers are the programs that install software, each with its own
// names for what may be missing.
var packageManagers = []struct {
	program, command string
	names            map[string]string
}{
	{"brew", "brew install ", map[string]string{"postgresql": "postgresql@17", "redis-server": "redis", "npm": "node"}},
	{"apt-get", "apt-get install -y ", nil},
	{"dnf", "dnf install -y ", map[string]string{"postgresql": "postgresql-server", "redis-server": "redis"}},
	{"apk", "apk add ", map[string]string{"redis-server": "redis"}},
	{"pacman", "pacman -S --noconfirm ", map[string]string{"redis-server": "redis"}},
	{"zypper", "zypper install -y ", map[string]string{"postgresql": "postgresql-server", "redis-server": "redis"}},
}

// installCommand returns the one command that installs what Debian calls name
// on this machine.
func installCommand(name string) string {
	for _, m := range packageManagers {
		if _, err := exec.LookPath(m.program); err != nil {
			continue
		}
		if other, ok := m.names[name]; ok {
			name = other
		}
		// Homebrew refuses root and asks for what it needs.
		if m.program == "brew" || os.Geteuid() == 0 {
			return m.command + name
		}
		return "sudo " + m.command + name
	}
	return "apt-get install -y " + name
}

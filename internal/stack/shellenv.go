package stack

import (
	"path/filepath"
	"slices"
	"strings"
)

// shellNames are the settings that whoever works on the stack by hand needs: those of
// the backend's commands, and where the servers are.
var shellNames = []string{
	"APP_ENV", "DATABASE_URL", "MIGRATE_DATABASE_URL", "MAINT_DATABASE_URL", "BOOTSTRAP_DATABASE_URL", "REDIS_URL",
	"JWT_SECRET", "LOG_HASH_KEY", "CURSOR_ENCRYPTION_KEY", "TENANT_DB_KEY", "TENANT_DB_ON_MAIN_SERVER", "TENANT_DB_LOCAL_NETWORKS",
}

// EnvFile is, in [Options.Dir], the file with which a shell gets these settings, and
// the programs on its path.
const EnvFile = "env"

// writeShellEnv writes it, for its owner alone: secrets are in it.
func (s *Stack) writeShellEnv() error {
	var b strings.Builder
	b.WriteString("# For a POSIX shell: . " + shellQuote(filepath.Join(s.dir, EnvFile)) + "\n")
	b.WriteString("export PATH=" + shellQuote(s.programs) + `:"$PATH"` + "\n")
	for _, pair := range s.commandEnv(s.options.BackendEnv) {
		if name, value, _ := strings.Cut(pair, "="); slices.Contains(shellNames, name) {
			b.WriteString("export " + name + "=" + shellQuote(value) + "\n")
		}
	}
	return writeFile(filepath.Join(s.dir, EnvFile), []byte(b.String()), 0o600)
}

// shellQuote makes a text one word for a shell.
func shellQuote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

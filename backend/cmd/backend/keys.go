package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"gatehouse/backend/internal/keystore"
	"gatehouse/internal/config"
	"gatehouse/internal/program"
	"gatehouse/internal/token"
)

// keysConfig is the settings of the keys commands.
type keysConfig struct {
	AppEnv string        `env:"APP_ENV" envDefault:"production"`
	Dir    string        `env:"JWT_KEYS_DIR"`
	Secret config.Secret `env:"JWT_SECRET"`

	needsSecret bool
}

// Validate implements [config.Checked].
func (c *keysConfig) Validate(m *config.Mistakes) {
	m.Mode(c.AppEnv)
	m.Required("JWT_KEYS_DIR", c.Dir, "the folder of "+token.KeyFile+" is wanted")
	if c.needsSecret {
		m.Strong("JWT_SECRET", c.Secret)
	}
}

// defaultWait is how old the next key must be to sign: twelve seconds until
// everybody has looked at it, four times over.
const defaultWait = time.Minute

// keys runs `backend keys`.
func keys(args []string, out io.Writer) error {
	if len(args) == 0 {
		return program.ErrUsage
	}
	flags := flag.NewFlagSet("keys "+args[0], flag.ContinueOnError)
	flags.SetOutput(io.Discard) // the usage text says it all
	var (
		c         keysConfig
		algorithm = new(string)
		wait      = new(time.Duration)
		all       bool // keys are to be revoked
		wanted    int  // arguments behind the flags
	)
	rest := args[1:]
	switch args[0] {
	case "init":
		algorithm = flags.String("alg", string(token.EdDSA), "algorithm of the new keys")
		flags.BoolVar(&c.needsSecret, "from-secret", false, "begin with JWT_SECRET as the active key")
	case "rotate":
		algorithm = flags.String("alg", "", "algorithm of the new key")
		wait = flags.Duration("wait", defaultWait, "how old the next key must be")
	case "revoke":
		wanted = 1
		if len(rest) == 1 { // it has no other flag, and a kid may begin with a hyphen
			all = rest[0] == "-all" || rest[0] == "--all"
			rest = []string{"--", rest[0]}
		}
	case "list":
	default:
		return program.ErrUsage
	}
	if err := flags.Parse(rest); err != nil || flags.NArg() != wanted {
		return program.ErrUsage
	}
	if err := config.Load(&c, os.Environ()); err != nil {
		return err
	}

	var list []token.StoredKey
	var err error
	now := time.Now()
	switch args[0] {
	case "init":
		list, err = c.begin(token.Algorithm(*algorithm), now)
	case "rotate":
		list, err = keystore.Change(c.Dir, func(list []token.StoredKey) ([]token.StoredKey, error) {
			return token.Rotate(list, token.Algorithm(*algorithm), *wait, now)
		})
	case "revoke":
		list, err = keystore.Change(c.Dir, func(list []token.StoredKey) ([]token.StoredKey, error) {
			if all {
				return token.RevokeAll(list, now)
			}
			return token.Revoke(list, flags.Arg(0), now)
		})
	case "list":
		list, err = keystore.Read(c.Dir)
	}
	if err != nil {
		return err
	}
	return printKeys(out, list)
}

// begin makes the key file.
func (c *keysConfig) begin(a token.Algorithm, now time.Time) ([]token.StoredKey, error) {
	var active token.StoredKey
	var err error
	if c.needsSecret {
		active = token.ImportSecret(c.Secret, now)
	} else if active, err = token.GenerateKey(a, now); err != nil {
		return nil, err
	}
	list, err := token.BeginKeys(active, a, now)
	if err != nil {
		return nil, err
	}
	return list, keystore.Create(c.Dir, list)
}

// printKeys shows the keys, without their secrets.
func printKeys(out io.Writer, list []token.StoredKey) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, err := fmt.Fprintln(table, "STATE\tSINCE\tALG\tCREATED\tKID")
	for _, k := range list {
		_, failed := fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n",
			k.State, k.Since.Format(time.RFC3339), k.Algorithm, k.Created.Format(time.RFC3339), k.ID)
		err = errors.Join(err, failed)
	}
	return errors.Join(err, table.Flush())
}

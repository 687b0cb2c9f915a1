// Command backend serves the tenants' data to gateways and prepares the
// database.
package main

import (
	"os"

	"gatehouse/internal/program"
)

const usage = `usage: backend [command]

  serve            answer requests (the default)
  bootstrap        create the database roles and the database
  migrate          bring all databases up to date; make the first operator:
                   [-dry-run] [-main], which leaves tenants' databases alone
  seed             make the demo tenant and user (development only)
  operator create  make an operator: -email ADDRESS [-username NAME] < password
  tenant hash ID   print what stands for a tenant in the logs (by LOG_HASH_KEY)
  tenant move ID   move a tenant's data while it is used: -to dedicated < connection
                   string, or -to shared; goes on where it was stopped, or with -undo
                   takes it back
  tenant reseal    seal the connection strings of dedicated databases under the
                   first key of TENANT_DB_KEY
  keys init        make the key file of JWT_KEYS_DIR: [-alg EdDSA|HS256] [-from-secret]
  keys rotate      let the next key sign and make a new next one: [-wait 1m] [-alg …]
  keys list        show the keys without their secrets
  keys revoke KID  withdraw a key at once; with -all in place of KID every key
  health           ask the running backend whether it is ready
  settings         print every setting with its default, as JSON
  version          print the version

Settings come from the environment; docs/configuration.md lists them.`

func main() { os.Exit(program.Run("backend", usage, os.Args[1:], os.Stderr, run)) }

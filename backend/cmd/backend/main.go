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
  migrate          bring the database up to date; make the first operator
  seed             make the demo tenant and user (development only)
  operator create  make an operator: -email ADDRESS [-username NAME] < password
  health           ask the running backend whether it is ready
  settings         print every setting with its default, as JSON
  version          print the version

Settings come from the environment; docs/configuration.md lists them.`

func main() { os.Exit(program.Run("backend", usage, os.Args[1:], os.Stderr, run)) }

// Command gateway is the edge of Gatehouse: it checks clients' requests and
// passes them on to backends.
package main

import (
	"os"

	"gatehouse/internal/program"
)

const usage = `usage: gateway [command]

  serve     answer requests (the default)
  check     check the configuration and the document, show what they enforce
  health    ask the running gateway whether it is ready
  settings  print every setting with its default, as JSON
  version   print the version

Settings come from the environment; docs/configuration.md lists them.`

func main() { os.Exit(program.Run("gateway", usage, os.Args[1:], os.Stderr, run)) }

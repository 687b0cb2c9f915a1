package main

import "syscall"

// attributes ties k6 to this process's life and keeps it out of its process group.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

package main

import "syscall"

// orphaned makes the kernel end a child when this process dies.
func orphaned() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

//go:build !linux

package postgrestest

import "syscall"

// Elsewhere tests are not root's, and a server that outlives a killed test has
// to be ended by hand.
func attributes() *syscall.SysProcAttr { return nil }

func give(string) error { return nil }

package postgrestest

import (
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// attributes lets the server die with the test's process, and run as nobody
// where the test is root: PostgreSQL refuses to be root's.
func attributes() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if uid, gid, ok := owner(); ok {
		attr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
	}
	return attr
}

// give makes the server the owner of a folder.
func give(dir string) error {
	if uid, gid, ok := owner(); ok {
		return os.Chown(dir, int(uid), int(gid))
	}
	return nil
}

// owner returns who the server is to run as, where that is not who we are.
func owner() (uid, gid uint32, ok bool) {
	if os.Getuid() != 0 {
		return 0, 0, false
	}
	const conventional = 65534 // nobody and nogroup, where no file says so
	nobody, err := user.Lookup("nobody")
	if err != nil {
		return conventional, conventional, true
	}
	u, _ := strconv.ParseUint(nobody.Uid, 10, 32) // numbers, on Linux
	g, _ := strconv.ParseUint(nobody.Gid, 10, 32)
	return uint32(u), uint32(g), true
}

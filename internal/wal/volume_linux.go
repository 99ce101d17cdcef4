package wal

import (
	"fmt"
	"os"
	"syscall"
)

// volumes holds the file systems that need a decision, by the magic number of
// statfs(2), and names for the common good ones. Everything else is taken for a
// disk, as overlayfs is: what lies below it cannot be asked.
var volumes = map[uint32]Volume{
	0x0000ef53: {Kind: "ext4"},
	0x58465342: {Kind: "xfs"},
	0x9123683e: {Kind: "btrfs"},
	0x2fc12fc1: {Kind: "zfs"},
	0xf2f52010: {Kind: "f2fs"},
	0x794c7630: {Kind: "overlayfs"},

	0x01021994: {Kind: "tmpfs", Memory: true},
	0x858458f6: {Kind: "ramfs", Memory: true},

	// A server, or its cache, decides what a sync means, and locks depend on
	// mount options and on who else has mounted it.
	0x00006969: {Kind: "nfs", Network: true},
	0x0000517b: {Kind: "smb", Network: true},
	0xff534d42: {Kind: "cifs", Network: true},
	0xfe534d42: {Kind: "smb2", Network: true},
	0x01021997: {Kind: "9p", Network: true},
	0x00c36400: {Kind: "ceph", Network: true},
	0x0bd00bd0: {Kind: "lustre", Network: true},
	0x5346414f: {Kind: "afs", Network: true},
	0x6b414653: {Kind: "kafs", Network: true},
	0x73757245: {Kind: "coda", Network: true},
	0x0000564c: {Kind: "ncp", Network: true},
	0x19830326: {Kind: "beegfs", Network: true},
	0x47504653: {Kind: "gpfs", Network: true},
	0xbacbacbc: {Kind: "vmhgfs", Network: true},

	// Shared disks: several machines mount them at once, and whether flock
	// reaches across them is a mount option.
	0x01161970: {Kind: "gfs2", Network: true},
	0x7461636f: {Kind: "ocfs2", Network: true},

	// Any program: object stores are mounted this way, and shares of a virtual
	// machine's host.
	0x65735546: {Kind: "fuse", Network: true},
}

func volume(dir string) (Volume, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return Volume{}, os.NewSyscallError("statfs "+dir, err)
	}
	number := uint32(s.Type)
	v, known := volumes[number]
	if !known {
		v.Kind = fmt.Sprintf("%#x", number)
	}
	block := int64(s.Bsize) //nolint:unconvert // an int32 on some processors
	v.Free, v.Size = int64(s.Bavail)*block, int64(s.Blocks)*block
	return v, nil
}

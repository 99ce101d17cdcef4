//go:build !linux

package wal

// volume knows nothing: the file system is taken for a disk.
func volume(string) (Volume, error) { return Volume{Kind: "unknown", Free: -1}, nil }

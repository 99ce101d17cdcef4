//go:build unix

// Package peer runs a benchmark's server in a process of its own, so that the
// CPU time of this one is the sink's alone.
package peer

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

const variable = "DAYBOOK_TEST_PEER"

// Serve does nothing, unless this process was started by Start: then it starts
// the server, says where it listens, and ends the process with its parent.
// TestMain calls it first.
func Serve(start func() (address string, err error)) {
	if os.Getenv(variable) == "" {
		return
	}
	address, err := start()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_, _ = fmt.Fprintln(os.Stdout, address)
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// Start starts the server that Serve was given, until the benchmark ends, and
// returns its address.
func Start(b *testing.B) string {
	b.Helper()
	server := exec.CommandContext(b.Context(), os.Args[0]) //nolint:gosec // it is this very program
	server.Env = append(os.Environ(), variable+"=1")
	server.Stderr = os.Stderr
	leash, err := server.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := server.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = leash.Close()
		_ = server.Wait()
	})
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal("the server says nothing: ", err)
	}
	return strings.TrimSpace(address)
}

// Measure runs the benchmark's loop, whose every round is about n events, and
// reports the CPU time of this process per event.
func Measure(b *testing.B, n int, round func()) {
	b.Helper()
	before := cpu(b)
	for b.Loop() {
		round()
	}
	used := cpu(b) - before
	b.ReportMetric(float64(used.Nanoseconds())/1000/float64(b.N*n), "cpu-µs/event")
}

func cpu(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

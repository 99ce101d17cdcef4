package need

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// Port returns a port of 127.0.0.1 that nobody uses, for a server that a test
// stops and starts again in the same place, or that says nothing of a port it has
// chosen itself.
//
// A port that the system chose for ":0" is free to be chosen again as soon as the
// server is down, by any of the tests that run at the same time, and then the
// server does not start. The ports here are below those that systems choose from.
func Port(t testing.TB) int {
	t.Helper()
	for range 100 {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", fmt.Sprint("127.0.0.1:", port))
		if err != nil {
			continue // somebody uses it
		}
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
		return port
	}
	t.Fatalf("no port from %d to %d is free", firstPort, lastPort)
	return 0
}

// Systems choose from 32768 upwards (Linux) or from 49152 (others), and servers
// that people run are mostly below 10000.
const firstPort, lastPort = 10_000, 32_767

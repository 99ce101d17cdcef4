package need_test

import (
	"fmt"
	"net"
	"testing"

	"daybook.dev/internal/need"
)

func TestAPortIsFreeAndNoneThatIsGivenByChance(t *testing.T) {
	port := need.Port(t)
	if port < 1024 || port >= 32768 {
		t.Errorf("port %d: a system may give it to anybody", port)
	}
	for range 2 { // a server comes and goes
		listener, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port))
		if err != nil {
			t.Fatal(err)
		}
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

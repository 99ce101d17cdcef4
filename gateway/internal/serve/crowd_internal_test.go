package serve

import (
	"net"
	"net/http"
	"strings"
	"testing"
)

// A named connection notes that it is closed.
type named struct {
	net.Conn
	name string
	gone *[]string
}

func (n *named) Close() error {
	*n.gone = append(*n.gone, n.name)
	return nil
}

func TestTheConnectionThatWaitedLongestMakesRoom(t *testing.T) {
	var gone, closed []string
	c := newCrowd(3, func(which string) { closed = append(closed, which) })
	conns := map[string]*named{}
	for step := range strings.FieldsSeq("+a !a ~a +b +c +d +e !c !d !a !e +f ~e +g -g -a +h +i") {
		name := step[1:]
		if conns[name] == nil {
			conns[name] = &named{name: name, gone: &gone}
		}
		state := map[byte]http.ConnState{'+': http.StateNew, '!': http.StateActive, '~': http.StateIdle, '-': http.StateClosed}[step[0]]
		c.note(conns[name], state)
		if c.size() > 3 {
			t.Fatalf("after %s there are %d", step, c.size())
		}
	}
	// a has sent a request and stays, though it waits for longest; b and c have
	// sent none; f comes when all are at work; e is the first to wait again; when h
	// and i come, there is room.
	if got := strings.Join(gone, " "); got != "b c f e" {
		t.Errorf("those that had to go are %s", got)
	}
	if got := strings.Join(closed, " "); got != "idle idle new idle" {
		t.Errorf("they were counted as %s", got)
	}
}

// BenchmarkCrowdNoAlloc is what a request pays for the bound on connections.
func BenchmarkCrowdNoAlloc(b *testing.B) {
	c := newCrowd(10_000, func(string) {})
	conns := make([]net.Conn, 1000)
	for i := range conns {
		conns[i] = &named{}
		c.note(conns[i], http.StateNew)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		c.note(conns[i%1000], http.StateActive)
		c.note(conns[i%1000], http.StateIdle)
	}
}

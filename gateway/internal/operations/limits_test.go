package operations_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"daybook.dev/gateway/internal/operations"
)

// pipes is a listener whose connections are pipes in memory, so that time can be
// the test's.
type pipes struct {
	connections chan net.Conn
	closed      chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.connections:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p pipes) Close() error   { close(p.closed); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

func TestATailOutlivesTheTimeLimitsOfItsListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := book()
		at := pipes{make(chan net.Conn), make(chan struct{})}
		server := &http.Server{
			Handler:     operations.New(operations.Options{Events: m, Metrics: metrics}),
			ReadTimeout: time.Minute, WriteTimeout: time.Minute,
		}
		served := make(chan error)
		go func() { served <- server.Serve(at) }()

		ours, theirs := net.Pipe()
		at.connections <- theirs
		lines := bufio.NewReader(ours)
		if _, err := io.WriteString(ours, "GET /v1/tail HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		for time.Since(begin) < 10*time.Minute {
			if _, err := lines.ReadString('\n'); err != nil {
				t.Fatalf("after %s: %v", time.Since(begin), err)
			}
		}
		m.Add("late", noon, 0)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				t.Fatalf("the event after ten minutes: %v", err)
			}
			if strings.Contains(line, `"event_name":"late"`) {
				break
			}
		}
		_ = ours.Close()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		<-served
	})
}

func TestAReaderThatIsStuckIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := pipes{make(chan net.Conn), make(chan struct{})}
		server := &http.Server{Handler: operations.New(operations.Options{Events: book(), Metrics: metrics})}
		served := make(chan error)
		go func() { served <- server.Serve(at) }()

		ours, theirs := net.Pipe()
		at.connections <- theirs
		if _, err := io.WriteString(ours, "GET /v1/tail?from=start HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // and read nothing
		begin := time.Now()
		if _, err := io.ReadAll(ours); err != nil {
			t.Error(err)
		}
		if waited := time.Since(begin); waited > 0 {
			t.Errorf("the connection was still open, for %s", waited)
		}
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		<-served
	})
}

package logevent_test

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"

	"connectrpc.com/connect"
	"go.uber.org/goleak"

	eventsv1 "daybook.dev/gateway/internal/gen/events/v1"
	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/logevent"
	"daybook.dev/internal/need"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(need.Time(m, goleak.Find)) }

// A server is a gateway behind a port that speaks HTTP/1.1 and HTTP/2 without
// TLS, with a client for each.
type server struct {
	*gateway
	url    string
	h1, h2 *http.Client
}

// listen serves g until the test ends. By then every byte of the budget must be
// back, whatever the test has sent.
func (g *gateway) listen(t testing.TB) *server {
	t.Helper()
	port, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	both, h2 := new(http.Protocols), new(http.Protocols)
	both.SetHTTP1(true)
	both.SetUnencryptedHTTP2(true)
	h2.SetUnencryptedHTTP2(true)
	routes := http.NewServeMux()
	routes.Handle(logevent.Path, intake.Identified(g.Handler()))
	behind := &http.Server{Handler: routes, Protocols: both}
	s := &server{
		gateway: g, url: "http://" + port.Addr().String(),
		h1: &http.Client{Transport: &http.Transport{}},
		h2: &http.Client{Transport: &http.Transport{Protocols: h2}},
	}
	served := make(chan error, 1)
	go func() { served <- behind.Serve(port) }()
	t.Cleanup(func() {
		s.h1.CloseIdleConnections()
		s.h2.CloseIdleConnections()
		patience, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := behind.Shutdown(patience); err != nil {
			t.Error(err)
		}
		<-served
		if used := g.Budget.Used(); used != g.others {
			t.Errorf("%d bytes of the budget are still held", used)
		}
	})
	return s
}

// A rpcClient is connect-go's client of the one call.
type rpcClient = connect.Client[eventsv1.LogEventRequest, eventsv1.LogEventResponse]

func newClient(c *http.Client, s *server, options ...connect.ClientOption) *rpcClient {
	return connect.NewClient[eventsv1.LogEventRequest, eventsv1.LogEventResponse](c, s.url+logevent.Path, options...)
}

// clients are the ways to make the call.
func (s *server) clients() map[string]*rpcClient {
	all := map[string]*rpcClient{}
	for name, options := range map[string][]connect.ClientOption{
		"Connect proto":  nil,
		"Connect JSON":   {connect.WithProtoJSON()},
		"gRPC proto":     {connect.WithGRPC()},
		"gRPC JSON":      {connect.WithGRPC(), connect.WithProtoJSON()},
		"gRPC-Web proto": {connect.WithGRPCWeb()},
		"gRPC-Web JSON":  {connect.WithGRPCWeb(), connect.WithProtoJSON()},
	} {
		all[name+" over HTTP/2"] = newClient(s.h2, s, options...)
		all[name+" over HTTP/2, gzip"] = newClient(s.h2, s, append(options, connect.WithSendGzip())...)
		if name == "gRPC proto" || name == "gRPC JSON" {
			continue // needs the trailers of HTTP/2
		}
		all[name+" over HTTP/1.1"] = newClient(s.h1, s, options...)
		all[name+" over HTTP/1.1, gzip"] = newClient(s.h1, s, append(options, connect.WithSendGzip())...)
	}
	return all
}

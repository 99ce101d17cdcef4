package telemetrygateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/timestamppb"

	"daybook.dev"
	"daybook.dev/gateway/internal/accept"
	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/caller"
	telemetrygatewayv1 "daybook.dev/gateway/internal/gen/telemetrygateway/v1"
	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/intaketest"
	"daybook.dev/gateway/internal/intake/telemetrygateway"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/need"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(need.Time(m, goleak.Find)) }

type (
	request  = telemetrygatewayv1.RecordEventsRequest
	response = telemetrygatewayv1.RecordEventsResponse
	event    = telemetrygatewayv1.Event
)

const (
	recordEvents = telemetrygateway.Path + "RecordEvents"
	recordEvent  = telemetrygateway.Path + "RecordEvent"

	goodToken = "Bearer good-token"
	goodKey   = "good-license-key"
)

// proofs is who may send in these tests. Package caller has the real proofs.
type proofs struct{}

func (proofs) Licensed(key string) (caller.Caller, *daybook.Error) {
	if key != goodKey {
		return caller.Caller{}, &daybook.Error{Code: daybook.Invalid, Reason: "invalid_license_key", Message: "invalid license_key: no public key verifies it"}
	}
	return caller.Caller{Name: "instances"}, nil
}

func (proofs) Unlicensed() (caller.Caller, *daybook.Error) {
	return caller.Caller{Name: "instances"}, nil
}

func (proofs) Service(_ context.Context, authorization []string, _ string) (caller.Caller, *daybook.Error) {
	switch {
	case len(authorization) != 1:
		return caller.Caller{}, &daybook.Error{Code: daybook.Unauthenticated, Reason: "no_token", Message: "no bearer token"}
	case authorization[0] != goodToken:
		return caller.Caller{}, &daybook.Error{Code: daybook.Denied, Reason: caller.ReasonNotPermitted, Message: "permission denied"}
	}
	return caller.Caller{Name: "services", Public: true}, nil
}

// Edition never changes: so do the proofs.
func (proofs) Edition() uint64 { return 0 }

// changing proofs are as proofs say, until others count.
type changing struct {
	proofs

	mu      sync.Mutex // guards what follows
	edition uint64
	name    string         // of the caller that instances have become; "" = as before
	refusal *daybook.Error // nil = none
}

func (c *changing) become(name string, refusal *daybook.Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.edition++
	c.name, c.refusal = name, refusal
}

func (c *changing) Edition() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.edition
}

func (c *changing) Unlicensed() (caller.Caller, *daybook.Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.refusal != nil:
		return caller.Caller{}, c.refusal
	case c.name != "":
		return caller.Caller{Name: c.name, Public: true}, nil
	}
	return c.proofs.Unlicensed()
}

// A gateway is the service in front of a store that remembers.
type gateway struct {
	telemetrygateway.Service
	store    *intaketest.Recorder
	accepter *accept.Accepter
	refused  chan intake.Refusal
}

func newGateway() *gateway {
	g := &gateway{store: &intaketest.Recorder{}, refused: make(chan intake.Refusal, 100)}
	g.accepter = &accept.Accepter{
		Admit: &admit.Admitter{Now: func() time.Time { return intaketest.Noon }},
		Store: g.store, Instance: "test",
	}
	g.Service = telemetrygateway.Service{
		Door: intake.Door{
			Accept: g.accepter.Accept, Durability: daybook.Fsynced,
			Refused: func(r intake.Refusal) {
				select {
				case g.refused <- r:
				default: // nobody looks at so many
				}
			},
		},
		Senders: proofs{}, Budget: intake.NewBudget(256 << 20), Private: new(telemetrygateway.Allowlist),
	}
	return g
}

// keep stores in s instead.
func (g *gateway) keep(s store.Store) { g.accepter.Store = s }

// A server is a gateway behind a port that speaks HTTP/1.1 and HTTP/2 without
// TLS, with a client for each.
type server struct {
	*gateway
	address string
	url     string
	h1, h2  *http.Client
}

// listen serves g until the test ends. By then every byte of the budget must be
// back, whatever the test has sent.
func (g *gateway) listen(t testing.TB) *server {
	t.Helper()
	return g.listenFor(t, 0)
}

// listenFor is listen with a server that gives each request so much time.
func (g *gateway) listenFor(t testing.TB, within time.Duration) *server {
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
	routes.Handle(telemetrygateway.Path, intake.Identified(g.Handler()))
	behind := &http.Server{Handler: routes, Protocols: both, ReadTimeout: within, WriteTimeout: within}
	s := &server{
		gateway: g, address: port.Addr().String(), url: "http://" + port.Addr().String(),
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
		if used := g.Budget.Used(); used != 0 {
			t.Errorf("%d bytes of the budget are still held", used)
		}
	})
	return s
}

// A stream is a client's side of RecordEvents.
type stream = connect.BidiStreamForClient[request, response]

// open begins a stream over gRPC.
func (s *server) open(t testing.TB, options ...connect.ClientOption) *stream {
	t.Helper()
	return s.client(options...).CallBidiStream(t.Context())
}

func (s *server) client(options ...connect.ClientOption) *connect.Client[request, response] {
	if options == nil {
		options = []connect.ClientOption{connect.WithGRPC()}
	}
	return connect.NewClient[request, response](s.h2, s.url+recordEvents, options...)
}

// session sends requests, half-closes, and returns the answers to each payload and
// how the stream ended.
func (s *server) session(t testing.TB, requests ...*request) (answers [][]string, err error) {
	t.Helper()
	return exchange(s.open(t), requests...)
}

func exchange(st *stream, requests ...*request) (answers [][]string, err error) {
	for _, r := range requests {
		if st.Send(r) != nil {
			break // Receive says why
		}
	}
	_ = st.CloseRequest()
	defer st.CloseResponse()
	for {
		answer, err := st.Receive()
		if err != nil {
			return answers, ending(err)
		}
		answers = append(answers, answer.GetSucceededEvents())
	}
}

// ending is nil for a stream that ended OK.
func ending(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func hello(id *telemetrygatewayv1.Identifier) *request {
	return &request{Payload: &telemetrygatewayv1.RecordEventsRequest_Metadata{
		Metadata: &telemetrygatewayv1.RecordEventsRequestMetadata{RequestId: "request-1", Identifier: id},
	}}
}

func licensed(key, instance string) *telemetrygatewayv1.Identifier {
	return &telemetrygatewayv1.Identifier{Identifier: &telemetrygatewayv1.Identifier_LicensedInstance{
		LicensedInstance: &telemetrygatewayv1.Identifier_LicensedInstanceIdentifier{LicenseKey: key, InstanceId: instance, ExternalUrl: "https://example.com"},
	}}
}

func unlicensed(instance string) *telemetrygatewayv1.Identifier {
	return &telemetrygatewayv1.Identifier{Identifier: &telemetrygatewayv1.Identifier_UnlicensedInstance{
		UnlicensedInstance: &telemetrygatewayv1.Identifier_UnlicensedInstanceIdentifier{InstanceId: instance},
	}}
}

func managed(service string) *telemetrygatewayv1.Identifier {
	return &telemetrygatewayv1.Identifier{Identifier: &telemetrygatewayv1.Identifier_ManagedService{
		ManagedService: &telemetrygatewayv1.Identifier_ManagedServiceIdentifier{ServiceId: service},
	}}
}

func payload(events ...*event) *request {
	return &request{Payload: &telemetrygatewayv1.RecordEventsRequest_Events{Events: &telemetrygatewayv1.RecordEventsRequest_EventsPayload{Events: events}}}
}

func valid(id string) *event {
	return &event{Id: id, Timestamp: timestamppb.New(intaketest.Noon), Feature: "search", Action: "run"}
}

// with is a valid event, changed.
func with(id string, change func(*event)) *event {
	e := valid(id)
	change(e)
	return e
}

// stored are the ids of the events in the store, and those set aside with why.
func (g *gateway) stored() (events, aside []string) {
	for _, r := range g.store.Records() {
		if r.Kind == store.KindRefused {
			aside = append(aside, r.Event.ID+": "+r.Refusal.Reason)
			continue
		}
		events = append(events, r.Event.ID)
	}
	return events, aside
}

func requireStored(t *testing.T, g *gateway, events, aside []string) {
	t.Helper()
	gotEvents, gotAside := g.stored()
	if !slices.Equal(gotEvents, events) || !slices.Equal(gotAside, aside) {
		t.Errorf("stored %q, set aside %q; want %q and %q", gotEvents, gotAside, events, aside)
	}
}

func requireAnswers(t *testing.T, answers [][]string, err error, want ...[]string) {
	t.Helper()
	if err != nil {
		t.Errorf("the stream ended with %v", err)
	}
	if fmt.Sprintf("%q", answers) != fmt.Sprintf("%q", want) {
		t.Errorf("answered %q, want %q", answers, want)
	}
}

func requireError(t *testing.T, err error, code connect.Code, message string) {
	t.Helper()
	wire, ok := errors.AsType[*connect.Error](err)
	if !ok || wire.Code() != code || wire.Message() != message {
		t.Errorf("ended with %v, want %v: %s", err, code, message)
	}
}

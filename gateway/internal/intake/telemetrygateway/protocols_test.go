package telemetrygateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"daybook.dev"
	telemetrygatewayv1 "daybook.dev/gateway/internal/gen/telemetrygateway/v1"
	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/telemetrygateway"
)

func TestEveryProtocolAndEncodingCarriesAStream(t *testing.T) {
	for name, options := range map[string][]connect.ClientOption{
		"gRPC":                {connect.WithGRPC()},
		"gRPC, gzip":          {connect.WithGRPC(), connect.WithSendGzip()},
		"gRPC, JSON":          {connect.WithGRPC(), connect.WithProtoJSON()},
		"gRPC-Web":            {connect.WithGRPCWeb()},
		"gRPC-Web, JSON":      {connect.WithGRPCWeb(), connect.WithProtoJSON()},
		"Connect":             {connect.WithHTTPGet()},
		"Connect, gzip":       {connect.WithSendGzip()},
		"Connect, JSON":       {connect.WithProtoJSON()},
		"Connect, JSON, gzip": {connect.WithProtoJSON(), connect.WithSendGzip()},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway()
			answers, err := exchange(g.listen(t).open(t, options...), hello(unlicensed("i")), payload(full(t), valid("2")), payload())
			requireAnswers(t, answers, err, []string{"1234", "2"}, nil)
			requireStored(t, g, []string{"1234", "2"}, nil)
		})
	}
}

func TestHTTP11HasNoStreamInTwoDirections(t *testing.T) {
	s := newGateway().listen(t)
	response, err := s.h1.Post(s.url+recordEvents, "application/grpc-web+proto", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusHTTPVersionNotSupported {
		t.Errorf("answered %s", response.Status)
	}
}

type singleRequest = telemetrygatewayv1.RecordEventRequest

// single makes one call of RecordEvent.
func (s *server) single(t *testing.T, token string, m *singleRequest, options ...connect.ClientOption) error {
	t.Helper()
	client := connect.NewClient[singleRequest, telemetrygatewayv1.RecordEventResponse](s.h2, s.url+recordEvent, options...)
	r := connect.NewRequest(m)
	if token != "" {
		r.Header().Set("Authorization", token)
	}
	_, err := client.CallUnary(t.Context(), r)
	return err
}

func one(id *telemetrygatewayv1.Identifier, e *event) *singleRequest {
	return &singleRequest{Metadata: hello(id).GetMetadata(), Event: e}
}

func TestRecordEvent(t *testing.T) {
	full := errors.New("the disk is gone")
	for name, c := range map[string]struct {
		token   string
		request *singleRequest
		fails   error
		code    connect.Code
		message string
	}{
		"is stored":                          {goodToken, one(managed("s"), valid("1")), nil, 0, ""},
		"without an event, checked first":    {"", one(nil, nil), nil, connect.CodeInvalidArgument, "event is required"},
		"of nobody":                          {"", one(nil, valid("1")), nil, connect.CodeUnimplemented, "unsupported identifier type"},
		"without metadata":                   {"", &singleRequest{Event: valid("1")}, nil, connect.CodeUnimplemented, "unsupported identifier type"},
		"of an instance with a license":      {"", one(licensed(goodKey, "i"), valid("1")), nil, connect.CodeUnimplemented, "unsupported identifier type"},
		"of an instance without a license":   {"", one(unlicensed("i"), valid("1")), nil, connect.CodeUnimplemented, "unsupported identifier type"},
		"of a service without an id":         {goodToken, one(managed(""), valid("1")), nil, connect.CodeInvalidArgument, "service_id is required for managed services"},
		"of a service without a token":       {"", one(managed("s"), valid("1")), nil, connect.CodeUnauthenticated, "no bearer token"},
		"of a service with the wrong token":  {"Bearer x", one(managed("s"), valid("1")), nil, connect.CodePermissionDenied, "permission denied"},
		"that can never become valid":        {goodToken, one(managed("s"), with("1", func(e *event) { e.Timestamp = nil })), nil, connect.CodeInvalidArgument, "timestamp is required"},
		"that cannot be stored":              {goodToken, one(managed("s"), valid("1")), full, connect.CodeInternal, "the event could not be stored"},
		"while the gateway stops":            {goodToken, one(managed("s"), valid("1")), daybook.ErrClosed, connect.CodeInternal, "the gateway is stopping; try again shortly"},
		"whose caller has gone":              {goodToken, one(managed("s"), valid("1")), context.Canceled, connect.CodeCanceled, "the event could not be stored"},
		"with more JSON than may be, is OK":  {goodToken, one(managed("s"), with("1", func(e *event) { e.FeatureFlags = large() })), nil, 0, ""},
		"with legacy metadata is as another": {goodToken, one(managed("s"), with("1", func(e *event) { e.Parameters = legacy() })), nil, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			for protocol, options := range map[string][]connect.ClientOption{
				"gRPC": {connect.WithGRPC()}, "gRPC-Web": {connect.WithGRPCWeb()}, "Connect": nil, "Connect JSON": {connect.WithProtoJSON()},
			} {
				if protocol == "Connect JSON" && proto.Size(c.request) > 1<<20 {
					continue // JSON takes more memory than there is
				}
				g := newGateway()
				g.store.Fail = c.fails
				err := g.listen(t).single(t, c.token, c.request, options...)
				if c.code != 0 {
					requireError(t, err, c.code, c.message)
					continue
				}
				if err != nil || len(g.store.Records()) != 1 {
					t.Errorf("%s: %v, %d records", protocol, err, len(g.store.Records()))
				}
			}
		})
	}
}

func large() *telemetrygatewayv1.EventFeatureFlags {
	return &telemetrygatewayv1.EventFeatureFlags{Flags: map[string]string{"a": strings.Repeat("x", 10_000_000)}}
}

func legacy() *telemetrygatewayv1.EventParameters {
	return &telemetrygatewayv1.EventParameters{LegacyMetadata: map[string]int64{"a": 1}}
}

func TestTheLargestMessageFitsIntoTheDefaultMemory(t *testing.T) {
	g := newGateway() // with the default of limits.memory
	big := with("big", func(e *event) {
		e.Parameters = &telemetrygatewayv1.EventParameters{BillingMetadata: &telemetrygatewayv1.EventBillingMetadata{Product: strings.Repeat("x", telemetrygateway.DefaultMaxMessage-200)}}
	})
	if n := proto.Size(payload(big)); n < telemetrygateway.DefaultMaxMessage-200 || n > telemetrygateway.DefaultMaxMessage {
		t.Fatalf("the message has %d bytes", n)
	}
	s := g.listen(t)
	if _, err := s.session(t, hello(unlicensed("i"))); err != nil { // the connection is there before the machine is busy with the message
		t.Fatal(err)
	}
	answers, err := s.session(t, hello(unlicensed("i")), payload(big), payload(valid("small")))
	requireAnswers(t, answers, err, []string{"big"}, []string{"small"})
	requireStored(t, g, []string{"small"}, []string{"big: event_too_large"})
	if kept := string(g.store.Records()[0].Event.Metadata); !strings.HasPrefix(kept, `{"feature":"search","action":"run","_eventLog":{"publisher":`) {
		t.Errorf("kept %.200s", kept)
	}
}

func TestALargerMessageEndsTheStreamAndWhatWasAnsweredStays(t *testing.T) {
	g := newGateway()
	g.MaxMessage = 2000
	s := g.listen(t)
	for name, options := range map[string][]connect.ClientOption{"as it is": {connect.WithGRPC()}, "compressed": {connect.WithGRPC(), connect.WithSendGzip()}} {
		t.Run(name, func(t *testing.T) {
			large := with("2", func(e *event) { e.Feature = strings.Repeat("a", 3000) })
			answers, err := exchange(s.open(t, options...), hello(unlicensed("i")), payload(valid("1")), payload(large))
			if connect.CodeOf(err) != connect.CodeResourceExhausted || !strings.Contains(err.Error(), "more than 2000 bytes") {
				t.Errorf("ended with %v", err)
			}
			requireAnswers(t, answers, nil, []string{"1"})
		})
	}
}

func TestWhoHasNotSaidWhoTheyAreMaySendLittle(t *testing.T) {
	g := newGateway()
	_, err := g.listen(t).session(t, payload(with("1", func(e *event) { e.Feature = strings.Repeat("a", 2<<20) })))
	if connect.CodeOf(err) != connect.CodeResourceExhausted {
		t.Errorf("ended with %v", err)
	}
}

func TestWithoutMemoryAStreamIsTurnedAwayAndAnotherOneLaterIsNot(t *testing.T) {
	g := newGateway()
	g.Budget = intake.NewBudget(256 << 20)
	others := g.Budget.Lease()
	if err := others.Grow(256<<20 - 500); err != nil {
		t.Fatal(err)
	}
	s := g.listen(t)
	_, err := s.session(t, hello(unlicensed("i")), payload(valid("1")))
	wire, ok := errors.AsType[*connect.Error](err)
	if !ok || wire.Code() != connect.CodeResourceExhausted || wire.Meta().Get("Retry-After") != "1" {
		t.Errorf("ended with %v", err)
	}
	others.Release()
	answers, err := s.session(t, hello(unlicensed("i")), payload(valid("1")))
	requireAnswers(t, answers, err, []string{"1"})
}

func TestASilentStreamEnds(t *testing.T) {
	g := newGateway()
	g.Idle = 50 * time.Millisecond
	st := g.listen(t).open(t)
	_ = st.Send(hello(unlicensed("i"))) // fails where the stream has ended before; Receive says why
	_, err := st.Receive()
	requireError(t, err, connect.CodeUnavailable, "nothing moved on the stream for 50ms; open another one")
	_ = st.CloseRequest()
	_ = st.CloseResponse()
}

func TestATimeLimitOfTheServerDoesNotCutALongStream(t *testing.T) {
	within(t, func(limit time.Duration) error {
		st := newGateway().listenFor(t, limit).open(t)
		defer func() { _ = st.CloseResponse() }()
		if err := st.Send(hello(unlicensed("i"))); err != nil {
			return err
		}
		begin, sent := time.Now(), 0
		for time.Since(begin) < 5*limit {
			if err := st.Send(payload(valid(longID(sent)))); err != nil {
				return fmt.Errorf("after %v: %w", time.Since(begin), err)
			}
			answer, err := st.Receive()
			if err != nil || !slices.Equal(answer.GetSucceededEvents(), []string{longID(sent)}) {
				return fmt.Errorf("after %v: %v, %w", time.Since(begin), answer, err)
			}
			sent++
		}
		_ = st.CloseRequest()
		if _, err := st.Receive(); !errors.Is(err, io.EOF) {
			return fmt.Errorf("no end: %w", err)
		}
		return nil
	})
}

// within tries what has to begin within a limit to last for longer, with limits
// that double: on a busy machine it may begin too late for a short one.
func within(t *testing.T, try func(limit time.Duration) error) {
	t.Helper()
	for limit := 100 * time.Millisecond; ; limit *= 2 {
		err := try(limit)
		if err == nil {
			return
		}
		if limit > 5*time.Second {
			t.Fatalf("with a limit of %v: %v", limit, err)
		}
	}
}

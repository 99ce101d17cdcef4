package logevent_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"daybook.dev"
	"daybook.dev/gateway/internal/accept"
	eventsv1 "daybook.dev/gateway/internal/gen/events/v1"
	"daybook.dev/gateway/internal/intake/intaketest"
	"daybook.dev/gateway/internal/store"
)

// everything is a request that uses every field.
func everything(t testing.TB) *eventsv1.LogEventRequest {
	t.Helper()
	metadata, err := structpb.NewStruct(map[string]any{
		"amount": 129.95, "big": 1e21, "list": []any{1, "é\u2028\u0001", nil, true}, "nested": map[string]any{"b": 2, "a": -0.5}, "": "blank",
	})
	if err != nil {
		t.Fatal(err)
	}
	typ, actor, key, forward := " behavioral ", "ann\u00a0", "\tk1", true
	return &eventsv1.LogEventRequest{
		EventName: " order-paid ", EventType: &typ, ActorId: &actor, Metadata: metadata,
		EventTs:        timestamppb.New(time.Date(2026, 1, 1, 10, 0, 0, 123456789, time.UTC)),
		IdempotencyKey: &key, ForwardToStatsig: &forward,
	}
}

func TestEveryProtocolStoresTheSameRecord(t *testing.T) {
	g := newGateway()
	s := g.listen(t)
	var first []byte
	for name, client := range s.clients() {
		t.Run(name, func(t *testing.T) {
			request := connect.NewRequest(everything(t))
			request.Header().Set("X-Goog-Authenticated-User-Email", "accounts.google.com:ann@example.com")
			response, err := client.CallUnary(t.Context(), request)
			if err != nil {
				t.Fatal(err)
			}
			if got := response.Header().Get("Daybook-Durability"); got != "fsync" {
				t.Errorf("durability %q", got)
			}
			if response.Header().Get("Daybook-Request-Id") == "" {
				t.Error("no request id")
			}
			records := g.store.Records()
			last := records[len(records)-1]
			if response.Msg.GetEventId() != last.Event.ID || response.Msg.GetIdempotencyKey() != "k1" {
				t.Errorf("answered %v, stored %s", response.Msg, last.Event.ID)
			}
			last.Event.ID = ""
			row := intaketest.Rows(t, []store.Record{last})
			if first == nil {
				first = row
			}
			if !bytes.Equal(row, first) {
				t.Errorf("stored\n%s\nand by another protocol\n%s", row, first)
			}
		})
	}
	const want = `{"event_id":"","event_name":"order-paid","event_type":"behavioral","actor_id":"ann","event_ts":"2026-01-01T10:00:00.123456789Z","idempotency_key":"k1",` +
		`"metadata":{"":"blank","amount":129.95,"big":1e+21,"list":[1,"é` + "\u2028" + `\u0001",null,true],"nested":{"a":-0.5,"b":2},` +
		`"_eventLog":{"forwardToStatsig":true,"idempotencyKey":"k1","caller":{"actorId":"ann@example.com","principalEmail":"ann@example.com"}}}}` + "\n"
	if string(first) != want {
		t.Errorf("stored\n%s\nwant\n%s", first, want)
	}
}

// TestEveryProtocolAnswersTheSameErrors is the contract's error table, on every
// protocol.
func TestEveryProtocolAnswersTheSameErrors(t *testing.T) {
	for name, c := range map[string]struct {
		given   string
		request *eventsv1.LogEventRequest
		code    connect.Code
		message string
		stored  int
		retry   string
	}{
		"a rule is broken":  {"", &eventsv1.LogEventRequest{EventName: " "}, connect.CodeInvalidArgument, "event_name is required and must not be blank", 0, ""},
		"the store fails":   {"the store fails", &eventsv1.LogEventRequest{EventName: "a"}, connect.CodeInternal, "the event could not be stored", 0, ""},
		"the store is full": {"the store is full", &eventsv1.LogEventRequest{EventName: "a"}, connect.CodeResourceExhausted, "the disk is full", 0, "5"},
		"the gateway is stopping": {
			"the store is stopping", &eventsv1.LogEventRequest{EventName: "a"}, connect.CodeResourceExhausted,
			"the gateway is stopping; try again shortly", 0, "1",
		},
		"there is no memory": {
			"there is no memory", &eventsv1.LogEventRequest{EventName: "a name"}, connect.CodeResourceExhausted,
			"the gateway has no memory left for this request; try again shortly", 0, "1",
		},
		"stored, not forwarded": {
			"the destination fails", &eventsv1.LogEventRequest{EventName: "a"}, connect.CodeUnavailable,
			"the event is stored, but it was not forwarded to statsig", 2, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway()
			if c.given != "" {
				givens[c.given](g)
			}
			s := g.listen(t)
			for protocol, client := range s.clients() {
				before := len(g.store.Records())
				_, err := client.CallUnary(t.Context(), connect.NewRequest(c.request))
				var failure *connect.Error
				if !errors.As(err, &failure) || failure.Code() != c.code || failure.Message() != c.message {
					t.Errorf("%s: %v, want %v: %s", protocol, err, c.code, c.message)
					continue
				}
				if got := failure.Meta().Get("Retry-After"); got != c.retry {
					t.Errorf("%s: Retry-After %q, want %q", protocol, got, c.retry)
				}
				if got := len(g.store.Records()) - before; got != c.stored {
					t.Errorf("%s: %d records stored, want %d", protocol, got, c.stored)
				}
				if id := storedID(t, failure); c.stored > 0 && id != g.store.Records()[before].Event.ID || c.stored == 0 && id != "" {
					t.Errorf("%s: the detail says %q is stored", protocol, id)
				}
			}
		})
	}
}

// storedID is the event that an error says is stored all the same; "" = none.
func storedID(t testing.TB, err *connect.Error) (id string) {
	t.Helper()
	for _, detail := range err.Details() {
		message, err := detail.Value()
		if err != nil {
			t.Error(err)
		}
		if stored, ok := message.(*eventsv1.StoredEvent); ok {
			id = stored.GetEventId()
		}
	}
	return id
}

func TestADroppedEventIsOKOnEveryProtocol(t *testing.T) {
	g := newGateway()
	givens["a rule drops the event"](g)
	s := g.listen(t)
	for name, client := range s.clients() {
		response, err := client.CallUnary(t.Context(), connect.NewRequest(&eventsv1.LogEventRequest{EventName: "a"}))
		if err != nil || response.Msg.GetEventId() == "" || response.Header().Get("Daybook-Outcome") != "dropped" || response.Header().Get("Daybook-Durability") != "" {
			t.Errorf("%s: %v, %v", name, response, err)
		}
	}
}

func TestOnlyPostMakesTheCall(t *testing.T) {
	s := newGateway().listen(t)
	get := newClient(s.h1, s, connect.WithHTTPGet(), connect.WithIdempotency(connect.IdempotencyNoSideEffects))
	if _, err := get.CallUnary(t.Context(), connect.NewRequest(&eventsv1.LogEventRequest{EventName: "a"})); err == nil {
		t.Error("a GET stored an event")
	}
	if n := len(s.store.Records()); n != 0 {
		t.Errorf("%d records stored", n)
	}
}

// TestNobodyKnowsIsNoSuccess: an outcome that says nothing must not become an
// answer that does, nor no answer at all.
func TestNobodyKnowsIsNoSuccess(t *testing.T) {
	for _, outcome := range []daybook.Outcome{{}, {Status: daybook.Failed}, {Status: daybook.Refused}, {Status: 99, Err: errors.New("secret")}} {
		g := newGateway()
		g.Accept = func(context.Context, accept.Batch) []daybook.Outcome { return []daybook.Outcome{outcome} }
		for _, contentType := range []string{"application/json", "application/json; charset=UTF-8"} {
			w := g.post(`{"event_name":"a"}`, "Content-Type", contentType)
			if w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), `"code":"internal"`) || strings.Contains(w.Body.String(), "secret") {
				t.Errorf("%+v: status %d, %s", outcome, w.Code, w.Body)
			}
		}
	}
}

package telemetrygateway_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"daybook.dev"
	"daybook.dev/gateway/internal/caller"
	telemetrygatewayv1 "daybook.dev/gateway/internal/gen/telemetrygateway/v1"
	"daybook.dev/gateway/internal/intake/intaketest"
	"daybook.dev/gateway/internal/intake/telemetrygateway"
	"daybook.dev/gateway/internal/store"
)

// The names of these tests are the rules of the contract.

func TestMetadataComesFirstAndExactlyOnce(t *testing.T) {
	t.Run("events before it are refused", func(t *testing.T) {
		g := newGateway()
		answers, err := g.listen(t).session(t, payload(valid("1")), hello(unlicensed("i")))
		requireError(t, err, connect.CodeInvalidArgument, "got events when metadata not yet received")
		if len(answers) != 0 {
			t.Errorf("answered %q", answers)
		}
		requireStored(t, g, nil, nil)
	})
	t.Run("a second one is refused, and what came before it stays answered", func(t *testing.T) {
		g := newGateway()
		answers, err := g.listen(t).session(t, hello(unlicensed("i")), payload(valid("1")), hello(unlicensed("i")))
		requireError(t, err, connect.CodeInvalidArgument, "received metadata more than once")
		requireAnswers(t, answers, nil, []string{"1"})
		requireStored(t, g, []string{"1"}, nil)
		if r := <-g.refused; r.Protocol != "telemetry-gateway" || r.Err.Reason != "metadata_twice" || r.Request == "" {
			t.Errorf("reported %+v", r)
		}
	})
}

func TestTheIdentifierDecides(t *testing.T) {
	for name, c := range map[string]struct {
		identifier *telemetrygatewayv1.Identifier
		token      string
		code       connect.Code // 0 = let in
		message    string
	}{
		"a license":                             {licensed(goodKey, "i"), "", 0, ""},
		"a license, without an instance id":     {licensed(goodKey, ""), "", 0, ""},
		"a license with blanks in its key":      {licensed(" good-license\n-key ", "i"), "", 0, ""},
		"a license that is none":                {licensed("bad", "i"), "", connect.CodeInvalidArgument, "invalid license_key: no public key verifies it"},
		"no license":                            {unlicensed("i"), "", 0, ""},
		"no license and no instance id":         {unlicensed(""), "", connect.CodeInvalidArgument, "instance_id is required for unlicensed instances"},
		"a service":                             {managed("s"), goodToken, 0, ""},
		"a service without an id":               {managed(""), goodToken, connect.CodeInvalidArgument, "service_id is required for managed services"},
		"a service without a token":             {managed("s"), "", connect.CodeUnauthenticated, "no bearer token"},
		"a service with a token for other uses": {managed("s"), "Bearer other", connect.CodePermissionDenied, "permission denied"},
		"none":                                  {nil, "", connect.CodeUnimplemented, "unsupported identifier type"},
		"one that is unset":                     {&telemetrygatewayv1.Identifier{}, "", connect.CodeUnimplemented, "unsupported identifier type"},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway()
			st := g.listen(t).open(t)
			if c.token != "" {
				st.RequestHeader().Set("Authorization", c.token)
			}
			answers, err := exchange(st, hello(c.identifier), payload(valid("1")))
			if c.code == 0 {
				requireAnswers(t, answers, err, []string{"1"})
				return
			}
			requireError(t, err, c.code, c.message)
			requireStored(t, g, nil, nil)
		})
	}
}

func TestEachPayloadIsAnsweredOnceInOrderAlsoAnEmptyOne(t *testing.T) {
	g := newGateway()
	answers, err := g.listen(t).session(t, hello(unlicensed("i")), payload(valid("1"), valid("2")), payload(), payload(valid("3")))
	requireAnswers(t, answers, err, []string{"1", "2"}, nil, []string{"3"})
	requireStored(t, g, []string{"1", "2", "3"}, nil)
}

func TestAnEmptyMessageIsIgnored(t *testing.T) {
	g := newGateway()
	answers, err := g.listen(t).session(t, &request{}, hello(unlicensed("i")), &request{}, payload(valid("1")), &request{})
	requireAnswers(t, answers, err, []string{"1"})
}

func TestMetadataWithoutPayloadsEndsOK(t *testing.T) {
	answers, err := newGateway().listen(t).session(t, hello(unlicensed("i")))
	requireAnswers(t, answers, err)
}

func TestTheStreamEndsOKAlsoWhenEventsFail(t *testing.T) {
	g := newGateway()
	g.store.Fail = errors.New("write /secret/path: input/output error")
	answers, err := g.listen(t).session(t, hello(unlicensed("i")), payload(valid("1")), payload(valid("2")))
	requireAnswers(t, answers, err, nil, nil)
}

func TestLegacyMetadataIsMergedIntoMetadataAndWins(t *testing.T) {
	g := newGateway()
	e := with("1", func(e *event) {
		e.Parameters = &telemetrygatewayv1.EventParameters{
			LegacyMetadata: map[string]int64{"both": 1, "old": 2}, Metadata: map[string]float64{"both": 0.5, "new": 3.5},
		}
	})
	answers, err := g.listen(t).session(t, hello(unlicensed("i")), payload(e))
	requireAnswers(t, answers, err, []string{"1"})
	const want = `{"feature":"search","action":"run","parameters":{"metadata":{"both":1,"new":3.5,"old":2}},` +
		`"_eventLog":{"publisher":{"requestId":"request-1","identifier":{"unlicensedInstance":{"instanceId":"i"}}}}}`
	if got := string(g.store.Records()[0].Event.Metadata); got != want {
		t.Errorf("stored\n%s, want\n%s", got, want)
	}
}

// bad are events that can never become valid, and why.
var bad = map[string]struct {
	reason string
	change func(*event)
}{
	"no-timestamp":  {"missing_time", func(e *event) { e.Timestamp = nil }},
	"a-wrong-time":  {"invalid_time", func(e *event) { e.Timestamp = &timestamppb.Timestamp{Seconds: 1 << 40} }},
	"half-a-second": {"invalid_time", func(e *event) { e.Timestamp = &timestamppb.Timestamp{Nanos: -1} }},
	"no-feature":    {"invalid_word", func(e *event) { e.Feature = "" }},
	"upper-case":    {"invalid_word", func(e *event) { e.Feature = "Search" }},
	"a-digit":       {"invalid_word", func(e *event) { e.Action = "run2" }},
	"one-letter":    {"invalid_word", func(e *event) { e.Action = "r" }},
	"a-line-break":  {"invalid_word", func(e *event) { e.Action = "run\n" }},
	"sixty-five-bytes": {"invalid_word", func(e *event) {
		e.Action = "a123456789012345678901234567890123456789012345678901234567890123x"[:1] + string(make([]byte, 64))
	}},
}

func TestAnEventThatCanNeverBecomeValidIsReportedAsSucceededToInstancesAndAsFailedToServices(t *testing.T) {
	for name, c := range map[string]struct {
		identifier *telemetrygatewayv1.Identifier
		yes        bool
	}{
		"licensed":   {licensed(goodKey, "i"), true},
		"unlicensed": {unlicensed("i"), true},
		"managed":    {managed("s"), false},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway()
			var events []*event
			var ids, aside []string
			for id, b := range bad {
				events = append(events, with(id, b.change))
				ids, aside = append(ids, id), append(aside, id+": "+b.reason)
			}
			ids = append(ids, "good")
			st := g.listen(t).open(t)
			st.RequestHeader().Set("Authorization", goodToken)
			answers, err := exchange(st, hello(c.identifier), payload(append(events, valid("good"))...))
			if !c.yes {
				ids = []string{"good"}
			}
			requireAnswers(t, answers, err, ids)
			requireStored(t, g, []string{"good"}, aside)
		})
	}
}

func TestAnEventWithoutAnIDIsSetAsideToo(t *testing.T) {
	g := newGateway()
	answers, err := g.listen(t).session(t, hello(unlicensed("i")), payload(valid("")))
	requireAnswers(t, answers, err, []string{""})
	if events, aside := g.stored(); len(events) != 0 || len(aside) != 1 {
		t.Errorf("stored %q, set aside %q", events, aside)
	}
}

func TestWhatIsReportedAsSucceededIsSafeFirst(t *testing.T) {
	g := newGateway()
	g.store.Fail = errors.New("the disk is gone")
	answers, err := g.listen(t).session(t, hello(unlicensed("i")), payload(with("bad", func(e *event) { e.Feature = "" })))
	requireAnswers(t, answers, err, nil)
}

func TestAnEventOfMoreThan10MBIsReportedAsSucceededToAll(t *testing.T) {
	for name, identifier := range map[string]*telemetrygatewayv1.Identifier{
		"licensed": licensed(goodKey, "i"), "unlicensed": unlicensed("i"), "managed": managed("s"),
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway()
			st := g.listen(t).open(t)
			st.RequestHeader().Set("Authorization", goodToken)
			const overhead = len(`{"feature":"search","action":"run","source":{"client":{"name":""}}}`) + len("1search.runtelemetry") + 3
			named := func(id string, bytes int) *event {
				return with(id, func(e *event) {
					e.Source = &telemetrygatewayv1.EventSource{Client: &telemetrygatewayv1.EventSource_Client{Name: string(slices.Repeat([]byte{'x'}, bytes))}}
				})
			}
			answers, err := exchange(st, hello(identifier), payload(named("fits", 10_000_000-overhead-1)), payload(named("large", 10_000_001-overhead+3)))
			requireAnswers(t, answers, err, []string{"fits"}, []string{"large"})
			requireStored(t, g, []string{"fits"}, []string{"large: event_too_large"})
		})
	}
}

func TestTheSameIDWithAnotherBodyIsReportedAsSucceededAndTheFirstStays(t *testing.T) {
	g := newGateway()
	s := g.listen(t)
	other := with("1", func(e *event) { e.Action = "stop" })
	answers, err := s.session(t, hello(unlicensed("i")), payload(valid("1")), payload(other))
	requireAnswers(t, answers, err, []string{"1"}, []string{"1"})
	if records := g.store.Records(); len(records) != 1 || records[0].Event.Name != "search.run" {
		t.Errorf("stored %+v", records)
	}
}

// TestTheSameIDWithAnotherBodyThatIsNoneEitherIsReportedAsSucceeded: an instance
// would send it forever, as it would the first.
func TestTheSameIDWithAnotherBodyThatIsNoneEitherIsReportedAsSucceeded(t *testing.T) {
	g := newGateway()
	s := g.listen(t)
	bad := func(action string) *event { return with("1", func(e *event) { e.Action = action }) }
	answers, err := s.session(t, hello(unlicensed("i")), payload(bad("not a word")), payload(bad("nor is this")))
	requireAnswers(t, answers, err, []string{"1"}, []string{"1"})
	requireStored(t, g, nil, []string{"1: invalid_word"})
}

func TestABatchThatIsSentAgainCausesNoSecondCopyAndGetsAllIDsBack(t *testing.T) {
	g := newGateway()
	s := g.listen(t)
	answers, err := s.session(t, hello(licensed(goodKey, "i")), payload(valid("1"), valid("2")))
	requireAnswers(t, answers, err, []string{"1", "2"})
	again := hello(licensed(goodKey, "i"))
	again.GetMetadata().RequestId = "request-2" // of the next attempt: no part of what an event says
	answers, err = s.session(t, again, payload(valid("1"), valid("2"), valid("3")))
	requireAnswers(t, answers, err, []string{"1", "2", "3"})
	requireStored(t, g, []string{"1", "2", "3"}, nil)
}

func TestPublishersCannotTakeEachOthersIDs(t *testing.T) {
	g := newGateway()
	s := g.listen(t)
	for _, identifier := range []*telemetrygatewayv1.Identifier{licensed(goodKey, "a"), licensed(goodKey, "b"), unlicensed("a"), unlicensed("b")} {
		answers, err := s.session(t, hello(identifier), payload(valid("1")))
		requireAnswers(t, answers, err, []string{"1"})
	}
	requireStored(t, g, []string{"1", "1", "1", "1"}, nil)
	scopes := map[string]bool{}
	for _, r := range g.store.Records() {
		scopes[r.Scope] = true
	}
	if len(scopes) != 4 || !scopes["instances/unlicensed/a"] {
		t.Errorf("scopes %v", scopes)
	}
}

// manyIDs is how many ids a client gets back before it reads any of them.
const manyIDs = 100_000

func TestAClientThatReadsOnlyOnceItHasSentEverythingGetsEveryAnswer(t *testing.T) {
	g := newGateway()
	g.keep(intaketest.Nowhere{})
	st := g.listen(t).open(t)
	if err := st.Send(hello(unlicensed("i"))); err != nil {
		t.Fatal(err)
	}
	const perPayload = 500
	for i := 0; i < manyIDs; i += perPayload {
		events := make([]*event, perPayload)
		for n := range events {
			events[n] = valid(longID(i + n))
		}
		if err := st.Send(payload(events...)); err != nil {
			t.Fatal(err)
		}
	}
	if err := st.CloseRequest(); err != nil {
		t.Fatal(err)
	}
	got := 0
	for {
		answer, err := st.Receive()
		if err != nil {
			if ending(err) != nil {
				t.Fatal(err)
			}
			break
		}
		for _, id := range answer.GetSucceededEvents() {
			if id != longID(got) {
				t.Fatalf("answer %d is %s", got, id)
			}
			got++
		}
	}
	if got != manyIDs {
		t.Errorf("%d ids came back, want %d", got, manyIDs)
	}
	_ = st.CloseResponse()
}

// longID is an id of 36 bytes, as a UUID is.
func longID(n int) string { return fmt.Sprintf("00000000-0000-7000-8000-%012d", n) }

func TestAStopTellsStreamsUnavailableOnceWhatIsStoredIsAnswered(t *testing.T) {
	g := newGateway()
	stopping, stop := context.WithCancel(t.Context())
	g.Stopping = stopping
	st := g.listen(t).open(t)
	if err := errors.Join(st.Send(hello(unlicensed("i"))), st.Send(payload(valid("1")))); err != nil {
		t.Fatal(err)
	}
	first, err := st.Receive()
	if err != nil || !slices.Equal(first.GetSucceededEvents(), []string{"1"}) {
		t.Fatal(first, err)
	}
	stop()
	_, err = st.Receive()
	requireError(t, err, connect.CodeUnavailable, "the gateway is stopping; send again what was not answered")
	_ = st.CloseRequest()
	_ = st.CloseResponse()
}

func TestAnEventThatIsStoredWhileTheGatewayStopsIsAnswered(t *testing.T) {
	g := newGateway()
	stopping, stop := context.WithCancel(t.Context())
	g.Stopping = stopping
	g.store.Queued = stop
	st := g.listen(t).open(t)
	answers, err := exchange(st, hello(unlicensed("i")), payload(valid("1")), payload(valid("2")))
	requireError(t, err, connect.CodeUnavailable, "the gateway is stopping; send again what was not answered")
	requireAnswers(t, answers, nil, []string{"1"})
	requireStored(t, g, []string{"1"}, nil)
}

// A stream may last for days. Whoever may send no longer must not go on until it ends.
func TestAStreamGoesOnOnlyAsLongAsItsSenderMaySend(t *testing.T) {
	denied := &daybook.Error{Code: daybook.Denied, Reason: caller.ReasonUnlicensed, Message: "instances without a license may not send here"}
	over := &daybook.Error{Code: daybook.Exhausted, Reason: caller.ReasonQuota, Message: "this caller's quota is used up"}
	for name, c := range map[string]struct {
		caller  string
		refusal *daybook.Error
		code    connect.Code // 0 = it goes on
		message string
	}{
		"others have changed":      {"", nil, 0, ""},
		"it is another caller now": {"others", nil, 0, ""},
		"it may send no longer":    {"", denied, connect.CodeUnavailable, "who may send has changed; open another stream, and send again what was not answered"},
		"its quota is used up":     {"", over, connect.CodeResourceExhausted, over.Message},
	} {
		t.Run(name, func(t *testing.T) {
			g, who := newGateway(), new(changing)
			g.Senders = who
			st := g.listen(t).open(t)
			if err := errors.Join(st.Send(hello(unlicensed("i"))), st.Send(payload(marked("1")))); err != nil {
				t.Fatal(err)
			}
			first, err := st.Receive()
			if err != nil || !slices.Equal(first.GetSucceededEvents(), []string{"1"}) {
				t.Fatal(first, err)
			}
			who.become(c.caller, c.refusal)
			answers, err := exchange(st, payload(marked("2")))
			if c.code != 0 {
				requireError(t, err, c.code, c.message)
				requireStored(t, g, []string{"1"}, nil)
				return
			}
			requireAnswers(t, answers, err, []string{"2"})
			requireStored(t, g, []string{"1", "2"}, nil)
			second := g.store.Records()[1]
			if want := cmp.Or(c.caller, "instances"); second.Caller != want || second.Scope != want+"/unlicensed/i" {
				t.Errorf("it is stored as of %s, in %s", second.Caller, second.Scope)
			}
			if public := bytes.Contains(second.Event.Metadata, []byte("https://example.com/page")); public != (c.caller != "") {
				t.Errorf("marketing_tracking is stored: %v", public)
			}
		})
	}
}

// marked is a valid event with what only the events of public callers keep.
func marked(id string) *event {
	url := "https://example.com/page"
	return with(id, func(e *event) { e.MarketingTracking = &telemetrygatewayv1.EventMarketingTracking{Url: &url} })
}

func TestWhatIsKeptOfPrivateMetadataChangesForOpenStreamsToo(t *testing.T) {
	g := newGateway()
	secret, err := structpb.NewStruct(map[string]any{"key": "canary"})
	if err != nil {
		t.Fatal(err)
	}
	private := func(id string) *request {
		return payload(with(id, func(e *event) { e.Parameters = &telemetrygatewayv1.EventParameters{PrivateMetadata: secret} }))
	}
	allowed, err := telemetrygateway.ParseAllowed([]string{"search::run::key"})
	if err != nil {
		t.Fatal(err)
	}
	g.Private.Set(allowed)
	st := g.listen(t).open(t)
	if err := errors.Join(st.Send(hello(unlicensed("i"))), st.Send(private("1"))); err != nil {
		t.Fatal(err)
	}
	if _, err := st.Receive(); err != nil {
		t.Fatal(err)
	}
	none, err := telemetrygateway.ParseAllowed(nil)
	if err != nil {
		t.Fatal(err)
	}
	g.Private.Set(none)
	answers, err := exchange(st, private("2"))
	requireAnswers(t, answers, err, []string{"2"})
	for i, kept := range []bool{true, false} {
		if metadata := g.store.Records()[i].Event.Metadata; bytes.Contains(metadata, []byte("canary")) != kept {
			t.Errorf("event %d is stored as %s", i+1, metadata)
		}
	}
}

func TestTheEventIsStoredAsTheContractMapsIt(t *testing.T) {
	g := newGateway()
	id := int64(42)
	e := with("1", func(e *event) { e.User = &telemetrygatewayv1.EventUser{UserId: &id} })
	answers, err := g.listen(t).session(t, hello(licensed(goodKey, "i")), payload(e))
	requireAnswers(t, answers, err, []string{"1"})
	r := g.store.Records()[0]
	if r.Event.ID != "1" || r.Event.Name != "search.run" || r.Event.Type != "telemetry" || r.Event.Actor != "42" || !r.Event.Time.Equal(intaketest.Noon) {
		t.Errorf("the event is %+v", r.Event)
	}
	if r.Kind != store.KindEvent || r.Caller != "instances" || r.Protocol != "telemetry-gateway" {
		t.Errorf("the record is %+v", r)
	}
}

var _ = daybook.Fsynced

package gateway_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/sink"
	"daybook.dev/sink/gateway"
	"daybook.dev/sink/sinktest"
)

// sent writes one event and returns the line that the centre got.
func sent(t *testing.T, e daybook.Event) string {
	t.Helper()
	c := newCentre(t)
	if err := open(t, gateway.Config{URL: c.URL}).Write(t.Context(), []daybook.Event{e}); err != nil {
		t.Fatal(err)
	}
	return c.stored()[0]
}

func TestEverythingTheEventSaysTravels(t *testing.T) {
	got := sent(t, daybook.Event{
		ID: "order-1", Name: "order-paid", Type: daybook.Behavioral, Actor: "ann",
		Time:           time.Date(2026, time.November, 21, 10, 35, 43, 123456789, time.FixedZone("", 3600)),
		Metadata:       []byte(`{"big":12345678901234567890.000,"text":"\u0041\/"}`),
		IdempotencyKey: "key-1", SampleRate: 0.25,
		Origin: &daybook.Origin{Scope: "checkout", Caller: "checkout", Protocol: "http", Instance: "edge-1", Received: time.Now()},
	})
	const want = `{"event_name":"order-paid","event_id":"checkout/order-1","event_type":"behavioral","actor_id":"ann",` +
		`"event_ts":"2026-11-21T09:35:43.123456789Z","idempotency_key":"key-1","sample_rate":0.25,` +
		`"metadata":{"big":12345678901234567890.000,"text":"\u0041\/"}}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// R28: what only a gateway may say is not sent in any spelling.
func TestR28TheEnvelopeStaysBehind(t *testing.T) {
	for metadata, want := range map[string]string{
		`{"a":1,"_eventLog":{"forwardToStatsig":false,"caller":{"actorId":"x"}},"b":2}`: `{"a":1,"b":2}`,
		`{"_eventLog":{}}`: `{}`,
		`{"\u005fevent\u004cog":{},"\u0061":"\u0062"}`: `{"\u0061":"\u0062"}`,
		`{"a":{"_eventLog":1},"b":"_eventLog"}`:        `{"a":{"_eventLog":1},"b":"_eventLog"}`, // that is the caller's own
	} {
		got := sent(t, daybook.Event{ID: "e", Name: "n", Metadata: []byte(metadata)})
		if !strings.HasSuffix(got, `"metadata":`+want+`}`) {
			t.Errorf("of %s the centre gets %s", metadata, got)
		}
	}
}

func TestIDsOfDifferentCallersDoNotMeet(t *testing.T) {
	const uuid = "0b7e3f5e-5c5b-4a3f-9d1b-3a1e5f6c0001"
	from := func(scope, id string) daybook.Event {
		return daybook.Event{ID: id, Name: "n", Origin: &daybook.Origin{Scope: scope}}
	}
	long := from(strings.Repeat("s", 200), strings.Repeat("i", 56))
	for _, c := range []struct {
		event daybook.Event
		want  string
	}{
		{from("checkout", "order-1"), "checkout/order-1"},
		{from("check/out", "1"), "check%2Fout/1"},
		{from("check", "out/1"), "check/out/1"},
		{from("100%", "%2F"), "100%25/%2F"},
		{from("checkout", uuid), uuid},
		{from("checkout", strings.ReplaceAll(uuid, "-", "")), "checkout/" + strings.ReplaceAll(uuid, "-", "")},
		{from("", "order-1"), "order-1"},
		{daybook.Event{ID: "order-1", Name: "n"}, "order-1"},
		{from(strings.Repeat("s", 200), strings.Repeat("i", 55)), strings.Repeat("s", 200) + "/" + strings.Repeat("i", 55)},
		{long, sink.RowID(&long)},
	} {
		if got := sent(t, c.event); !strings.Contains(got, fmt.Sprintf(`"event_id":%q`, c.want)) {
			t.Errorf("the centre gets %s, want the id %s", got, c.want)
		}
	}
}

// The results of the centre are found again by the ids that the events have
// here, whatever they are called there.
func TestResultsAreHonouredOneByOne(t *testing.T) {
	result := func(i int, status, more string) string {
		return fmt.Sprintf(`{"index":%d,"event_id":"x","status":%q%s}`, i, status, more)
	}
	c := newCentre(t)
	c.answers(http.StatusServiceUnavailable, `{"durability":"fsync","results":[`+strings.Join([]string{
		result(0, "stored", ""), result(1, "duplicate", ""), result(2, "dropped", ""),
		result(3, "refused", `,"code":"conflict","reason":"id_conflict","message":"another content"`),
		result(4, "refused", `,"code":"too_large","reason":"event_too_large"`),
		result(5, "refused", `,"code":"of a newer version","reason":"cursed"`),
		result(6, "refused", ``),
		result(7, "failed", `,"code":"exhausted","reason":"disk_full"`),
		result(8, "failed", ``),
		result(9, "enshrined", ``),
		result(10, "stored", `,"code":"unavailable","reason":"forward_failed"`),
	}, ",")+`]}`, "Retry-After", "7")

	events := sinktest.Events("e", 12)
	events[11].Metadata = []byte(`{"_eventLog":1,"_eventLog":2}`) // stays here
	err := open(t, gateway.Config{URL: c.URL}).Write(t.Context(), events)
	partial, ok := errors.AsType[*daybook.PartialError](err)
	if !ok {
		t.Fatalf("error is %v", err)
	}
	want := map[string]struct {
		status daybook.Status
		code   daybook.Code
		wait   time.Duration
	}{
		"e-3":  {daybook.Refused, daybook.Conflict, 0},
		"e-4":  {daybook.Refused, daybook.TooLarge, 0},
		"e-5":  {daybook.Refused, daybook.Invalid, 0},
		"e-6":  {daybook.Refused, daybook.Invalid, 0},
		"e-7":  {daybook.Failed, daybook.Exhausted, 7 * time.Second},
		"e-8":  {daybook.Failed, daybook.Unavailable, 7 * time.Second},
		"e-9":  {daybook.Unknown, daybook.Unavailable, 7 * time.Second},
		"e-11": {daybook.Refused, daybook.Invalid, 0},
	}
	for _, o := range partial.Failed {
		w, ok := want[o.ID]
		delete(want, o.ID)
		e, _ := errors.AsType[*daybook.Error](o.Err)
		if !ok || e == nil || o.Status != w.status || e.Code != w.code || e.RetryAfter != w.wait {
			t.Errorf("%s is %v with %#v, want %+v", o.ID, o.Status, e, w)
		}
	}
	if len(want) > 0 {
		t.Errorf("not named: %v", want)
	}
}

func TestAWrongKeyCallsForAPerson(t *testing.T) {
	err := open(t, gateway.Config{URL: newCentre(t).URL, Key: "key-of-somebody-else"}).Write(t.Context(), sinktest.Events("e", 1))
	if daybook.CodeOf(err) != daybook.Unauthenticated {
		t.Errorf("error is %v, want unauthenticated", err)
	}
	sinktest.CheckText(t, err, "key-of-somebody-else")
}

func TestRequestsAreGzippedUnlessPlain(t *testing.T) {
	for _, plain := range []bool{false, true} {
		c := newCentre(t)
		if err := open(t, gateway.Config{URL: c.URL, Plain: plain}).Write(t.Context(), sinktest.Events("e", 10)); err != nil {
			t.Fatal(err)
		}
		c.mu.Lock()
		if c.zipped == plain {
			t.Errorf("plain %v: gzipped %v", plain, c.zipped)
		}
		c.mu.Unlock()
	}
}

func TestConfigurationsThatCannotBeRight(t *testing.T) {
	for _, c := range []struct {
		field  string
		config gateway.Config
	}{
		{"url", gateway.Config{}},
		{"url", gateway.Config{URL: "daybook.example.com"}},
		{"url", gateway.Config{URL: "https://ann:key-6e1c@daybook.example.com"}},
		{"url", gateway.Config{URL: "https://daybook.example.com/?key=key-6e1c"}},
		{"url", gateway.Config{URL: "http://127.0.0.1:8080"}},
		{"key", gateway.Config{URL: "https://daybook.example.com", Key: "key-6e1c\r\nX: y"}},
	} {
		_, err := gateway.Open(c.config)
		e, _ := errors.AsType[*daybook.Error](err)
		if e == nil || e.Code != daybook.Invalid || e.Where != "gateway" || e.Field != c.field {
			t.Fatalf("%+v: error is %#v, want an invalid %s", c.config, err, c.field)
		}
		sinktest.CheckText(t, err, key)
	}
}

package interop_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
)

// made is an event as an application makes it with the SDK.
func made(t *testing.T, id string, data any) cloudevents.Event {
	t.Helper()
	e := cloudevents.NewEvent()
	e.SetID(id)
	e.SetSource("https://example.com/orders")
	e.SetType("com.example.order.paid")
	e.SetSubject("ann")
	e.SetTime(time.Date(2026, 1, 31, 12, 0, 0, 123456789, time.UTC))
	e.SetExtension("zone", "eu")
	e.SetExtension("attempt", 3)
	if err := e.SetData(cloudevents.ApplicationJSON, data); err != nil {
		t.Fatal(err)
	}
	return e
}

// client is the SDK's, with nothing set but where to send.
func client(t *testing.T, g gateway) cloudevents.Client {
	t.Helper()
	c, err := cloudevents.NewClientHTTP(cloudevents.WithTarget("http://" + g.ingest + "/v1/cloudevents"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var modes = map[string]func(context.Context) context.Context{
	"binary":     binding.WithForceBinary,
	"structured": binding.WithForceStructured,
}

func TestTheGoSDKSendsInEveryMode(t *testing.T) {
	for name, mode := range modes {
		for form, data := range map[string]any{
			"a value": map[string]any{"cents": 1299, "plan": "pro"},
			"bytes":   []byte(`{"cents":1299,"plan":"pro"}`), // which structured mode has in base64
		} {
			t.Run(name+", "+form, func(t *testing.T) {
				g := start(t, "")
				ctx := mode(t.Context())
				for range 2 { // the second is a duplicate, which is as good
					if result := client(t, g).Send(ctx, made(t, "order-1", data)); !cloudevents.IsACK(result) {
						t.Fatalf("not acknowledged: %v", result)
					}
				}
				requireOne(t, g.rows(t))
			})
		}
	}
}

// requireOne compares what is stored with the one event that was sent.
func requireOne(t *testing.T, rows []row) {
	t.Helper()
	if len(rows) != 1 {
		t.Fatalf("%d events are stored", len(rows))
	}
	r := rows[0]
	if r.ID != "order-1" || r.Name != "com.example.order.paid" || r.Actor != "ann" || r.Time != "2026-01-31T12:00:00.123456789Z" || r.Protocol != "cloudevents" {
		t.Errorf("stored %+v", r)
	}
	const binary = `{"cents":1299,"plan":"pro","_cloudEvent":{"attempt":"3","source":"https://example.com/orders","zone":"eu"}}`
	const structured = `{"cents":1299,"plan":"pro","_cloudEvent":{"attempt":3,"source":"https://example.com/orders","zone":"eu"}}`
	if got := string(r.Metadata); got != binary && got != structured { // headers are text
		t.Errorf("metadata %s", got)
	}
}

func TestTheGoSDKSendsABatch(t *testing.T) {
	g := start(t, "")
	events := []cloudevents.Event{made(t, "order-1", map[string]any{"n": 1}), made(t, "order-2", map[string]any{"n": 2})}
	request, err := cehttp.NewHTTPRequestFromEvents(t.Context(), "http://"+g.ingest+"/v1/cloudevents", events)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if rows := g.rows(t); response.StatusCode != http.StatusOK || len(rows) != 2 || rows[1].ID != "order-2" {
		t.Errorf("status %d, stored %+v", response.StatusCode, rows)
	}
}

func TestTheGoSDKIsToldWhatIsRefused(t *testing.T) {
	g := start(t, "")
	if result := client(t, g).Send(t.Context(), made(t, "order-1", map[string]any{"cents": 1})); !cloudevents.IsACK(result) {
		t.Fatal(result)
	}
	result := client(t, g).Send(t.Context(), made(t, "order-1", map[string]any{"cents": 2}))
	var answer *cehttp.Result
	if !cloudevents.IsNACK(result) || !cloudevents.ResultAs(result, &answer) || answer.StatusCode != http.StatusBadRequest {
		t.Errorf("an event with the id of another is answered %v", result)
	}
	if rows := g.rows(t); len(rows) != 1 {
		t.Errorf("%d events are stored", len(rows))
	}
}

func TestTheGoSDKReadsWhatTheGatewayPublishes(t *testing.T) {
	received := make(chan cloudevents.Event, 1)
	receiver := freeAddress(t)
	server, err := cloudevents.NewHTTP()
	if err != nil {
		t.Fatal(err)
	}
	handler, err := cloudevents.NewHTTPReceiveHandler(t.Context(), server, func(e cloudevents.Event) { received <- e })
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Addr: receiver, Handler: handler}
	ended := make(chan error, 1)
	go func() { ended <- s.ListenAndServe() }()
	t.Cleanup(func() { _ = s.Close(); <-ended })

	g := start(t, "destinations:\n  hook: {type: webhook, url: 'http://"+receiver+"/', encoding: cloudevents, form: single, allow_private: true, batch: {age: 10ms}}\n")
	sent := made(t, "order-1", map[string]any{"cents": 1299})
	if result := client(t, g).Send(t.Context(), sent); !cloudevents.IsACK(result) {
		t.Fatal(result)
	}
	select {
	case e := <-received:
		if err := e.Validate(); err != nil {
			t.Error(err)
		}
		if e.ID() != sent.ID() || e.Type() != sent.Type() || e.Subject() != sent.Subject() || !e.Time().Equal(sent.Time()) {
			t.Errorf("received %s", e)
		}
	case <-time.After(time.Minute):
		t.Fatal("nothing was published")
	}
}

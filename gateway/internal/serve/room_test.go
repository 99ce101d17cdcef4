package serve_test

import (
	"strings"
	"testing"

	"daybook.dev/gateway/internal/serve"
)

func TestAGatewayWithoutRoomRefusesLoudly(t *testing.T) {
	// No disk has 99 % of such a room free.
	g := start(t, serve.Config{Journal: serve.Journal{MaxSize: 1 << 60, WarnAt: 1, RefuseAt: 1}})
	g.until(g.OperationsURL()+"/ready", func(status int, _ string) bool { return status == 503 })
	status, body := g.do("POST", g.IngestURL()+"/v1/events", `{"event_id":"1","event_name":"hello"}`)
	if status != 429 || !strings.Contains(body, `"reason":"disk_full"`) || strings.Contains(body, "bytes are free") {
		t.Errorf("%d %s", status, body)
	}
	if _, body := g.do("GET", g.OperationsURL()+"/ready", ""); !strings.Contains(body, "no room") || !strings.Contains(body, "bytes are free on the file system") {
		t.Errorf("/ready says %s", body)
	}
	_, metrics := g.do("GET", g.OperationsURL()+"/metrics", "")
	for _, line := range []string{"daybook_store_warning 1", "daybook_store_refusing 1"} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("the metrics lack %s", line)
		}
	}
}

func TestIdempotencyKeysMakeDuplicatesWhenConfigured(t *testing.T) {
	g := start(t, serve.Config{Dedup: serve.Dedup{By: "event_id,idempotency_key"}})
	for _, step := range []struct{ event, want string }{
		{`{"event_name":"paid","idempotency_key":"order-1"}`, `"status":"stored"`},
		{`{"event_name":"paid","idempotency_key":"order-1"}`, `"status":"duplicate"`},
		{`{"event_name":"refunded","idempotency_key":"order-1"}`, `"reason":"idempotency_conflict"`},
		{`{"event_name":"paid","idempotency_key":"order-2"}`, `"status":"stored"`},
	} {
		if _, body := g.do("POST", g.IngestURL()+"/v1/events", step.event); !strings.Contains(body, step.want) {
			t.Errorf("%s is answered %s, want %s", step.event, body, step.want)
		}
	}
}

func TestCheckSaysWhatIsKeptAndWhetherThereIsRoom(t *testing.T) {
	for size, want := range map[serve.Size]string{
		1 << 60:  "there is room for only",
		64 << 20: "7d of events, at most 64MiB; ids are remembered for 24h",
	} {
		c := serve.Config{Data: t.TempDir(), Journal: serve.Journal{MaxSize: size}}
		for _, f := range serve.Check(t.Context(), c, nil, "") {
			if f.Check == "retention" && (!f.OK || !strings.Contains(f.Detail, want)) {
				t.Errorf("%s: %+v", size, f)
			}
		}
	}
}

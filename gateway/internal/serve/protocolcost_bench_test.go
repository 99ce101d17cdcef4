package serve_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
)

// BenchmarkServerCPUProtocols100 is what a request of 100 events costs the server
// for each event, fsynced, by protocol: the same content of about 512 bytes in
// JSON. x-http is how often that is what POST /v1/events costs in the same run.
//
//	go test -run '^$' -bench ServerCPUProtocols -benchtime 20000x ./gateway/internal/serve/
func BenchmarkServerCPUProtocols100(b *testing.B) {
	const events = 100
	asInCommand(b)
	gateway := benchGateway(b)
	of := func(path, contentType string, body []byte) traffic {
		return traffic{URL: gateway + path, ContentType: contentType, Body: body, InFlight: 16}
	}
	plain := of("/v1/events", "application/x-ndjson", plainEvents(events))
	for _, p := range []struct {
		name string
		traffic
	}{
		{"otlp-proto", of("/v1/logs", "application/x-protobuf", otlpRecords(b, events, false))},
		{"otlp-json", of("/v1/logs", "application/json", otlpRecords(b, events, true))},
		{"segment", of("/v1/batch", "application/json", segmentMessages(events))},
	} {
		b.Run(p.name, func(b *testing.B) {
			cost := cpuInTurn(b, plain, p.traffic)
			b.ReportMetric(float64(len(p.Body))/events, "bytes/event")
			b.ReportMetric(cost[1]/events, "cpu-µs/event")
			b.ReportMetric(cost[0]/events, "http-µs/event")
			b.ReportMetric(cost[1]/cost[0], "x-http")
		})
	}
}

// cpuInTurn returns the processor time of a request of each kind: the medians of
// rounds in turn, because a machine that others use is never the same for long.
func cpuInTurn(b *testing.B, all ...traffic) []float64 {
	b.Helper()
	const rounds = 5
	costs := make([][]float64, len(all))
	for range rounds {
		for i, l := range all {
			l.Requests = max(b.N/rounds, l.InFlight)
			costs[i] = append(costs[i], cpuOf(b, l, l.URL))
		}
	}
	medians := make([]float64, len(all))
	for i := range costs {
		slices.Sort(costs[i])
		medians[i] = costs[i][rounds/2]
	}
	return medians
}

// note fills events up to the size of others' benchmarks.
var note = strings.Repeat("n", 160)

func plainEvents(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, `{"event_name":"order-paid","event_type":"behavioral","actor_id":"user-%d","event_ts":"2026-01-31T12:00:00.123456789Z",`+
			`"metadata":{"plan":"enterprise","cents":%d,"currency":"EUR","page":"/checkout/confirm","referrer":"https://www.example.com/cart",`+
			`"experiment":"blue-button","variant":"b","first":true,"latency_ms":187.5,"note":"%s","service":"shop","host":"web-1"}}`+"\n", i, i, note)
	}
	return b.Bytes()
}

func otlpRecords(b *testing.B, n int, json bool) []byte {
	logs := plog.NewLogs()
	resource := logs.ResourceLogs().AppendEmpty()
	resource.Resource().Attributes().PutStr("service.name", "shop")
	resource.Resource().Attributes().PutStr("host.name", numbered)
	scope := resource.ScopeLogs().AppendEmpty()
	scope.Scope().SetName("checkout")
	for i := range n {
		r := scope.LogRecords().AppendEmpty()
		r.SetTimestamp(pcommon.Timestamp(1769860800123456789 + i))
		r.SetObservedTimestamp(pcommon.Timestamp(1769860800123456789 + i))
		r.SetEventName("order-paid")
		r.SetSeverityNumber(plog.SeverityNumberInfo)
		r.SetTraceID(pcommon.TraceID{1, 2, 3, byte(i)})
		r.SetSpanID(pcommon.SpanID{1, 2, 3, byte(i)})
		a := r.Attributes()
		a.PutStr("user.id", fmt.Sprintf("user-%d", i))
		a.PutStr("plan", "enterprise")
		a.PutInt("cents", int64(i))
		a.PutStr("currency", "EUR")
		a.PutStr("page", "/checkout/confirm")
		a.PutBool("first", true)
		a.PutDouble("latency_ms", 187.5)
		a.PutStr("note", note)
	}
	request := plogotlp.NewExportRequestFromLogs(logs)
	body, err := request.MarshalProto()
	if json {
		body, err = request.MarshalJSON()
	}
	if err != nil {
		b.Fatal(err)
	}
	return body
}

func segmentMessages(n int) []byte {
	messages := make([]string, n)
	for i := range messages {
		messages[i] = fmt.Sprintf(`{"type":"track","event":"Order Completed","userId":"user-%d","timestamp":"2026-01-31T12:00:00.123Z",`+
			`"properties":{"plan":"enterprise","cents":%d,"currency":"EUR","page":"/checkout/confirm","first":true,"latency_ms":187.5,"note":"%s"},`+
			`"context":{"library":{"name":"@segment/analytics-node","version":"3.1.0"}},"integrations":{},"_metadata":{"nodeVersion":"20.20.2"}}`, i, i, note)
	}
	return []byte(`{"batch":[` + strings.Join(messages, ",") + `],"sentAt":"2026-01-31T12:00:00.456Z"}`)
}

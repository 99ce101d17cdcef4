package serve_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	telemetrygatewayv1 "daybook.dev/gateway/internal/gen/telemetrygateway/v1"
	"daybook.dev/gateway/internal/serve"
)

// The windows of HTTP/2 as RFC 9113 has them without settings are what gRPC's
// libraries begin with. The answers below are sixty times as large.
func TestAClientThatReadsOnlyOnceItHasSentEverythingNeedsNoLargeWindow(t *testing.T) {
	const events, perPayload = 100_000, 500
	g := start(t, serve.Config{})
	plain := new(http.Protocols)
	plain.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: plain, HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: 1<<16 - 1, MaxReceiveBufferPerConnection: 1<<16 - 1}}
	defer transport.CloseIdleConnections()
	client := connect.NewClient[telemetrygatewayv1.RecordEventsRequest, telemetrygatewayv1.RecordEventsResponse](
		&http.Client{Transport: transport}, g.IngestURL()+"/telemetrygateway.v1.TelemeteryGatewayService/RecordEvents", connect.WithGRPC())

	stream := client.CallBidiStream(t.Context())
	requireSent(t, stream.Send(&telemetrygatewayv1.RecordEventsRequest{Payload: &telemetrygatewayv1.RecordEventsRequest_Metadata{
		Metadata: &telemetrygatewayv1.RecordEventsRequestMetadata{RequestId: "1", Identifier: &telemetrygatewayv1.Identifier{
			Identifier: &telemetrygatewayv1.Identifier_UnlicensedInstance{UnlicensedInstance: &telemetrygatewayv1.Identifier_UnlicensedInstanceIdentifier{InstanceId: "i"}},
		}},
	}}))
	for i := 0; i < events; i += perPayload {
		requireSent(t, stream.Send(&telemetrygatewayv1.RecordEventsRequest{Payload: &telemetrygatewayv1.RecordEventsRequest_Events{
			Events: &telemetrygatewayv1.RecordEventsRequest_EventsPayload{Events: smallTelemetry(i, perPayload)},
		}}))
	}
	requireSent(t, stream.CloseRequest())
	got := 0
	for {
		answer, err := stream.Receive()
		if errors.Is(err, io.EOF) {
			break
		}
		requireSent(t, err)
		for _, id := range answer.GetSucceededEvents() {
			if id != telemetryID(got) {
				t.Fatalf("answer %d is %s", got, id)
			}
			got++
		}
	}
	if got != events {
		t.Errorf("%d ids came back, want %d", got, events)
	}
	requireSent(t, stream.CloseResponse())
}

func TestStreamsOfTheTelemetryGatewayAreCounted(t *testing.T) {
	g := start(t, serve.Config{})
	instance := &telemetrygatewayv1.Identifier{Identifier: &telemetrygatewayv1.Identifier_UnlicensedInstance{
		UnlicensedInstance: &telemetrygatewayv1.Identifier_UnlicensedInstanceIdentifier{InstanceId: "i"},
	}}
	if done, err := recordOne(g, instance, smallTelemetry(1, 1)[0]); !errors.Is(err, io.EOF) || len(done) != 1 {
		t.Fatal(done, err)
	}
	_, metrics := g.do("GET", g.OperationsURL()+"/metrics", "")
	for _, line := range []string{
		`daybook_telemetry_streams_total{source="unlicensed_instance"} 1`,
		`daybook_telemetry_stream_payloads_sum{source="unlicensed_instance"} 1`,
		`daybook_telemetry_stream_events_sum{source="unlicensed_instance"} 1`,
		`daybook_telemetry_payloads_total{result="success",source="unlicensed_instance"} 1`,
		`daybook_telemetry_payload_events_count{source="unlicensed_instance"} 1`,
		`daybook_telemetry_processed_events_total{result="success",source="unlicensed_instance"} 1`,
	} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("the metrics lack %s", line)
		}
	}
}

func requireSent(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func smallTelemetry(first, n int) []*telemetrygatewayv1.Event {
	all := make([]*telemetrygatewayv1.Event, n)
	for i := range all {
		all[i] = &telemetrygatewayv1.Event{
			Id: telemetryID(first + i), Timestamp: timestamppb.Now(), Feature: "search", Action: "run",
			Source:     &telemetrygatewayv1.EventSource{Server: &telemetrygatewayv1.EventSource_Server{Version: "1"}},
			Parameters: &telemetrygatewayv1.EventParameters{Version: 1},
		}
	}
	return all
}

func telemetryID(n int) string { return fmt.Sprintf("00000000-0000-7000-8000-%012d", n) }

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	telemetrygatewayv1 "daybook.dev/gateway/internal/gen/telemetrygateway/v1"
	"daybook.dev/gateway/internal/query"
)

const recordEvents = "/telemetrygateway.v1.TelemeteryGatewayService/RecordEvents"

// TestR1Telemetry kills a gateway twice while a hundred instances stream to it,
// each sending again what was not acknowledged. Every id that was ever
// acknowledged is stored once, and so, in the end, is every event.
func TestR1TelemetryStreamsThatAreKilledLoseNothingAcknowledged(t *testing.T) {
	const kills = 2
	dir := t.TempDir()
	gateway := start(t, dir, place(t))
	h2 := new(http.Protocols)
	h2.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: h2}
	defer transport.CloseIdleConnections()

	var acknowledged atomic.Int64
	var instances sync.WaitGroup
	url := "http://" + gateway.ingest + recordEvents
	for i := range telemetryInstances {
		client := connect.NewClient[telemetrygatewayv1.RecordEventsRequest, telemetrygatewayv1.RecordEventsResponse](
			&http.Client{Transport: transport}, url, connect.WithGRPC())
		instances.Go(func() { deliverTelemetry(t, client, fmt.Sprintf("instance-%d", i), &acknowledged) })
	}
	for kill := range kills {
		share := int64(kill+1) * telemetryInstances * telemetryEvents / (kills + 1)
		for acknowledged.Load() < share && !t.Failed() {
			time.Sleep(time.Millisecond) // until that much has been acknowledged
		}
		gateway.kill()
		gateway = start(t, dir, gateway.ingest)
	}
	instances.Wait()

	rows := output(t, command("tail", "--from", "start", "--no-follow", "-o", "json", "--operations-listen", gateway.operations))
	requireTelemetry(t, rows)
	trace := output(t, command("trace", "instance-7-event-7", "--operations-listen", gateway.operations))
	if !strings.Contains(string(trace), "stored") {
		t.Errorf("trace does not find an event by its id alone:\n%s", trace)
	}
	if err := gateway.stop(); err != nil {
		t.Fatal(err)
	}
	output(t, command("store", "verify", "--data", dir+"/data"))
}

const (
	telemetryInstances = 100
	telemetryEvents    = 120 // of each instance
	telemetryPayload   = 10
)

// deliverTelemetry sends the events of an instance, in one stream after another,
// until every one is acknowledged.
func deliverTelemetry(t *testing.T, client *connect.Client[telemetrygatewayv1.RecordEventsRequest, telemetrygatewayv1.RecordEventsResponse], instance string, acknowledged *atomic.Int64) {
	left := map[string]bool{}
	for i := range telemetryEvents {
		left[fmt.Sprintf("%s-event-%d", instance, i)] = true
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	for len(left) > 0 && ctx.Err() == nil {
		if streamTelemetry(ctx, client, instance, left, acknowledged) != nil {
			time.Sleep(5 * time.Millisecond) // the gateway is being started
		}
	}
	if len(left) > 0 {
		t.Errorf("%s: %d events were never acknowledged", instance, len(left))
	}
}

// streamTelemetry sends what is left in one stream, payload by payload, and takes
// what is acknowledged out of it.
func streamTelemetry(ctx context.Context, client *connect.Client[telemetrygatewayv1.RecordEventsRequest, telemetrygatewayv1.RecordEventsResponse],
	instance string, left map[string]bool, acknowledged *atomic.Int64,
) error {
	stream := client.CallBidiStream(ctx)
	defer stream.CloseResponse()
	if err := stream.Send(telemetryHello(instance)); err != nil {
		return err
	}
	var ids []string
	for id := range left {
		ids = append(ids, id)
	}
	for len(ids) > 0 {
		n := min(len(ids), telemetryPayload)
		if err := stream.Send(telemetryPayloadOf(ids[:n])); err != nil {
			return err
		}
		ids = ids[n:]
		answer, err := stream.Receive()
		if err != nil {
			return err
		}
		for _, id := range answer.GetSucceededEvents() {
			delete(left, id)
			acknowledged.Add(1)
		}
	}
	_ = stream.CloseRequest()
	if _, err := stream.Receive(); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

func telemetryHello(instance string) *telemetrygatewayv1.RecordEventsRequest {
	return &telemetrygatewayv1.RecordEventsRequest{Payload: &telemetrygatewayv1.RecordEventsRequest_Metadata{
		Metadata: &telemetrygatewayv1.RecordEventsRequestMetadata{Identifier: &telemetrygatewayv1.Identifier{
			Identifier: &telemetrygatewayv1.Identifier_UnlicensedInstance{
				UnlicensedInstance: &telemetrygatewayv1.Identifier_UnlicensedInstanceIdentifier{InstanceId: instance},
			},
		}},
	}}
}

func telemetryPayloadOf(ids []string) *telemetrygatewayv1.RecordEventsRequest {
	events := make([]*telemetrygatewayv1.Event, len(ids))
	for i, id := range ids {
		events[i] = &telemetrygatewayv1.Event{Id: id, Timestamp: timestamppb.New(time.Unix(1767355200, 0)), Feature: "search", Action: "run"}
	}
	return &telemetrygatewayv1.RecordEventsRequest{Payload: &telemetrygatewayv1.RecordEventsRequest_Events{
		Events: &telemetrygatewayv1.RecordEventsRequest_EventsPayload{Events: events},
	}}
}

// requireTelemetry requires of the rows that every event is there, and once.
func requireTelemetry(t *testing.T, rows []byte) {
	t.Helper()
	found := map[string]int{}
	lines := bufio.NewScanner(bytes.NewReader(rows))
	for lines.Scan() {
		row, err := query.ParseRow(lines.Bytes())
		if err != nil {
			t.Fatalf("%v: %.200s", err, lines.Bytes())
		}
		found[row.Event.ID]++
	}
	for i := range telemetryInstances {
		for n := range telemetryEvents {
			if id := fmt.Sprintf("instance-%d-event-%d", i, n); found[id] != 1 {
				t.Errorf("%s is there %d times", id, found[id])
			}
		}
	}
	if want := telemetryInstances * telemetryEvents; len(found) != want {
		t.Errorf("%d events are there, want %d", len(found), want)
	}
}

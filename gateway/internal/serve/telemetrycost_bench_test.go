package serve_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	telemetrygatewayv1 "daybook.dev/gateway/internal/gen/telemetrygateway/v1"
)

type (
	telemetryRequest  = telemetrygatewayv1.RecordEventsRequest
	telemetryResponse = telemetrygatewayv1.RecordEventsResponse
)

const (
	telemetryService  = "telemetrygateway.v1.TelemeteryGatewayService"
	telemetryPath     = "/" + telemetryService + "/RecordEvents"
	telemetryPayloads = 2   // in a stream: the other process gets it in its environment
	telemetryEvents   = 100 // in a payload
)

// BenchmarkServerCPUTelemetry is a gRPC stream of batches of 100 events, fsynced,
// beside stream handlers that decode the same messages and do nothing with them,
// on each transport there is: connect-go on net/http's HTTP/2, which is ours,
// grpc-go's own, and grpc-go on net/http's.
func BenchmarkServerCPUTelemetry(b *testing.B) {
	asInCommand(b)
	body := telemetryStream(b)
	l := traffic{ContentType: "application/grpc", Body: body, HTTP2: true, Requests: max(b.N/telemetryPayloads/telemetryEvents, 80), InFlight: 16}
	servers := []struct{ name, url string }{
		{"cpu-µs/event", benchGateway(b)},
		{"connect-noop-µs/event", benchServer(b, connectNoop())},
		{"grpc-noop-µs/event", grpcNoop(b)},
		{"grpc-http-noop-µs/event", benchServer(b, newGRPCNoop())},
	}
	const rounds = 3
	costs := map[string][]float64{}
	for range rounds {
		for _, s := range servers {
			costs[s.name] = append(costs[s.name], cpuOf(b, l, s.url+telemetryPath)/telemetryPayloads/telemetryEvents)
		}
	}
	median := func(name string) float64 {
		slices.Sort(costs[name])
		return costs[name][rounds/2]
	}
	for _, s := range servers {
		b.ReportMetric(median(s.name), s.name)
	}
	b.ReportMetric(median(servers[0].name)/median(servers[1].name), "x-noop")
	b.ReportMetric(float64(len(body))/telemetryPayloads/telemetryEvents, "bytes/event")
}

// telemetryStream is what a client sends in one stream. Its ids are others each
// time it is sent.
func telemetryStream(b *testing.B) []byte {
	var body bytes.Buffer
	send := func(m *telemetryRequest) {
		wire, err := proto.Marshal(m)
		if err != nil {
			b.Fatal(err)
		}
		body.WriteByte(0)
		body.Write(binary.BigEndian.AppendUint32(nil, uint32(len(wire))))
		body.Write(wire)
	}
	send(&telemetryRequest{Payload: &telemetrygatewayv1.RecordEventsRequest_Metadata{
		Metadata: &telemetrygatewayv1.RecordEventsRequestMetadata{RequestId: "r", Identifier: &telemetrygatewayv1.Identifier{
			Identifier: &telemetrygatewayv1.Identifier_UnlicensedInstance{
				UnlicensedInstance: &telemetrygatewayv1.Identifier_UnlicensedInstanceIdentifier{InstanceId: "bench"},
			},
		}},
	}})
	for p := range telemetryPayloads {
		events := make([]*telemetrygatewayv1.Event, telemetryEvents)
		for i := range events {
			events[i] = telemetryEvent(fmt.Sprintf("%05d-%s", p*telemetryEvents+i, numbered))
		}
		send(&telemetryRequest{Payload: &telemetrygatewayv1.RecordEventsRequest_Events{
			Events: &telemetrygatewayv1.RecordEventsRequest_EventsPayload{Events: events},
		}})
	}
	return body.Bytes()
}

// telemetryEvent is what an instance reports of a search: five numbers, who, where
// from, and which flags were on.
func telemetryEvent(id string) *telemetrygatewayv1.Event {
	return &telemetrygatewayv1.Event{
		Id: id, Timestamp: &timestamppb.Timestamp{Seconds: 1767355200, Nanos: 123_000_000}, Feature: "search.results", Action: "clicked",
		Source: &telemetrygatewayv1.EventSource{
			Server: &telemetrygatewayv1.EventSource_Server{Version: "5.2.1"},
			Client: &telemetrygatewayv1.EventSource_Client{Name: "server.web", Version: new("1.4.0")},
		},
		Parameters: &telemetrygatewayv1.EventParameters{Version: 1, Metadata: map[string]float64{
			"latencyMs": 187.25, "resultCount": 42, "repositoryCount": 12, "limitHit": 0, "position": 3,
		}},
		User:         &telemetrygatewayv1.EventUser{UserId: new(int64(18273645)), AnonymousUserId: new("6b338870-034d-493d-ba9c-565eb552c9f4")},
		FeatureFlags: &telemetrygatewayv1.EventFeatureFlags{Flags: map[string]string{"search-new-ranking": "true", "search-jobs": "false", "cody-web": "true"}},
	}
}

// connectNoop answers each payload with nothing.
func connectNoop() http.Handler {
	return connect.NewBidiStreamHandler(telemetryPath, func(_ context.Context, stream *connect.BidiStream[telemetryRequest, telemetryResponse]) error {
		for {
			switch m, err := stream.Receive(); {
			case errors.Is(err, io.EOF):
				return nil
			case err != nil:
				return err
			case m.GetEvents() != nil:
				if err := stream.Send(&telemetryResponse{}); err != nil {
					return err
				}
			}
		}
	})
}

// newGRPCNoop is the same in grpc-go.
func newGRPCNoop() *grpc.Server {
	server := grpc.NewServer()
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: telemetryService, HandlerType: (*any)(nil),
		Streams: []grpc.StreamDesc{{StreamName: "RecordEvents", ClientStreams: true, ServerStreams: true, Handler: func(_ any, stream grpc.ServerStream) error {
			for {
				m := new(telemetryRequest)
				switch err := stream.RecvMsg(m); {
				case errors.Is(err, io.EOF):
					return nil
				case err != nil:
					return err
				case m.GetEvents() != nil:
					if err := stream.SendMsg(&telemetryResponse{}); err != nil {
						return err
					}
				}
			}
		}}},
	}, nil)
	return server
}

// grpcNoop serves it with grpc-go's own transport.
func grpcNoop(b *testing.B) string {
	b.Helper()
	port, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server, done := newGRPCNoop(), make(chan struct{})
	go func() { defer close(done); _ = server.Serve(port) }()
	b.Cleanup(func() { server.Stop(); <-done })
	return "http://" + port.Addr().String()
}

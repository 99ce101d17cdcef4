package serve_test

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	telemetrygatewayv1 "daybook.dev/gateway/internal/gen/telemetrygateway/v1"
)

// telemetryColumn is the telemetry gateway's protocol. Its instances prove
// themselves by a license; whoever proves nothing is a managed service without a
// token.
func telemetryColumn(by vendors) column {
	const forever = "instances send again for ever what they are not told to be done with"
	const kept = forever + "; it is kept as a dead letter"
	return column{
		protocol: "telemetry-gateway",
		send: func(g *running, s saying) advice {
			identifier := &telemetrygatewayv1.Identifier{Identifier: &telemetrygatewayv1.Identifier_ManagedService{
				ManagedService: &telemetrygatewayv1.Identifier_ManagedServiceIdentifier{ServiceId: "shop"},
			}}
			if s.key != "" {
				identifier.Identifier = &telemetrygatewayv1.Identifier_LicensedInstance{
					LicensedInstance: &telemetrygatewayv1.Identifier_LicensedInstanceIdentifier{LicenseKey: by.license(s.key), InstanceId: "i"},
				}
			}
			feature, action, _ := strings.Cut(s.name+"-x", "-")
			done, err := recordOne(g, identifier, &telemetrygatewayv1.Event{
				Id: s.id, Timestamp: &timestamppb.Timestamp{Seconds: 1767348000}, Feature: feature, Action: strings.ReplaceAll(action, "-", ""),
				Source:       &telemetrygatewayv1.EventSource{Server: &telemetrygatewayv1.EventSource_Server{Version: "1"}},
				Parameters:   &telemetrygatewayv1.EventParameters{Version: 1},
				FeatureFlags: &telemetrygatewayv1.EventFeatureFlags{Flags: map[string]string{"text": s.text}},
			})
			return byAcknowledgement(done, err, s.id)
		},
		except: map[string]exception{
			"the same id with other content":       {advice: accepted, because: "the first copy stays, and " + forever},
			"a name of 257 bytes":                  {advice: accepted, outcome: "refused invalid_word", because: kept},
			"an id of 257 bytes":                   {advice: accepted, because: kept},
			"a name the caller may not send":       {advice: accepted, because: kept},
			"an event of more than a megabyte":     {advice: accepted, outcome: "stored", because: "its contract has events of up to 10 MB"},
			"members that only the gateway writes": {},
			"a wrong key":                          {advice: refused, outcome: "invalid_license_key", because: "it is a license that nobody known has signed, and its contract calls that an invalid argument"},
		},
	}
}

// recordOne streams one event, and returns the ids that come back.
func recordOne(g *running, who *telemetrygatewayv1.Identifier, e *telemetrygatewayv1.Event) (done []string, err error) {
	stream, hangUp := recording(g)
	defer hangUp()
	// A stream that the gateway has ended already says why when it is read.
	_ = stream.Send(introduction(who))
	_ = stream.Send(payloadOf(e))
	_ = stream.CloseRequest()
	defer func() { _ = stream.CloseResponse() }()
	for {
		answer, err := stream.Receive()
		if err != nil {
			return done, err
		}
		done = append(done, answer.GetSucceededEvents()...)
	}
}

// recording opens a stream of RecordEvents, which ends with hangUp.
func recording(g *running) (stream *connect.BidiStreamForClient[telemetrygatewayv1.RecordEventsRequest, telemetrygatewayv1.RecordEventsResponse], hangUp func()) {
	plain := new(http.Protocols)
	plain.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: plain}
	client := connect.NewClient[telemetrygatewayv1.RecordEventsRequest, telemetrygatewayv1.RecordEventsResponse](
		&http.Client{Transport: transport}, g.IngestURL()+"/telemetrygateway.v1.TelemeteryGatewayService/RecordEvents", connect.WithGRPC())
	return client.CallBidiStream(g.t.Context()), transport.CloseIdleConnections
}

func introduction(who *telemetrygatewayv1.Identifier) *telemetrygatewayv1.RecordEventsRequest {
	return &telemetrygatewayv1.RecordEventsRequest{Payload: &telemetrygatewayv1.RecordEventsRequest_Metadata{
		Metadata: &telemetrygatewayv1.RecordEventsRequestMetadata{RequestId: "1", Identifier: who},
	}}
}

func payloadOf(events ...*telemetrygatewayv1.Event) *telemetrygatewayv1.RecordEventsRequest {
	return &telemetrygatewayv1.RecordEventsRequest{Payload: &telemetrygatewayv1.RecordEventsRequest_Events{
		Events: &telemetrygatewayv1.RecordEventsRequest_EventsPayload{Events: events},
	}}
}

// byAcknowledgement reads what a stream has come to.
func byAcknowledgement(done []string, err error, id string) advice {
	switch {
	case errors.Is(err, io.EOF) && slices.Contains(done, id):
		return accepted
	case errors.Is(err, io.EOF):
		return later
	}
	switch connect.CodeOf(err) {
	case connect.CodeInvalidArgument:
		return refused
	case connect.CodeUnauthenticated:
		return unauthenticated
	case connect.CodePermissionDenied:
		return denied
	case connect.CodeResourceExhausted, connect.CodeUnavailable:
		return later
	}
	return advice(err.Error())
}

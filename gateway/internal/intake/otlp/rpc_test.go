package otlp_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/protobuf/proto"

	"daybook.dev"
	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/intaketest"
	"daybook.dev/gateway/internal/intake/otlp"
)

const largestCall = 1 << 20

// A client calls Export with pdata's own messages.
type client struct {
	*connect.Client[request, response]
}

// A request and a response are pdata's messages as connect-go has them.
type (
	request  struct{ plogotlp.ExportRequest }
	response struct{ plogotlp.ExportResponse }
)

// rejected is how many records a response says are refused, and why. An empty
// message is not decoded at all.
func (r *response) rejected() (int64, string) {
	if r.ExportResponse == (plogotlp.ExportResponse{}) {
		return 0, ""
	}
	return r.PartialSuccess().RejectedLogRecords(), r.PartialSuccess().ErrorMessage()
}

// pdataCodec lets connect-go's client write pdata's messages.
type pdataCodec struct{ json bool }

func (c pdataCodec) Name() string { return map[bool]string{true: "json", false: "proto"}[c.json] }

func (c pdataCodec) Marshal(m any) ([]byte, error) {
	if c.json {
		return m.(*request).MarshalJSON()
	}
	return m.(*request).MarshalProto()
}

func (c pdataCodec) Unmarshal(b []byte, m any) error {
	if status, ok := m.(proto.Message); ok { // of gRPC, with the details of an error
		return proto.Unmarshal(b, status)
	}
	into := m.(*response)
	into.ExportResponse = plogotlp.NewExportResponse()
	if c.json {
		return into.UnmarshalJSON(b)
	}
	return into.UnmarshalProto(b)
}

// clients serves s until the test ends and returns the ways to make the call. By
// the end every byte of the budget must be back.
func clients(t testing.TB, s *otlp.Service) map[string]client {
	t.Helper()
	port, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	both, h2 := new(http.Protocols), new(http.Protocols)
	both.SetHTTP1(true)
	both.SetUnencryptedHTTP2(true)
	h2.SetUnencryptedHTTP2(true)
	behind := &http.Server{Handler: intake.Identified(s.RPCHandler(largestCall)), Protocols: both, ReadHeaderTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- behind.Serve(port) }()
	over := &http.Client{Transport: &http.Transport{Protocols: h2}}
	t.Cleanup(func() {
		over.CloseIdleConnections()
		if err := behind.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		<-served
		if used := s.Budget.Used(); used != 0 {
			t.Errorf("%d bytes of the budget are still held", used)
		}
	})
	all := map[string]client{}
	for name, options := range map[string][]connect.ClientOption{
		"Connect": nil, "gRPC": {connect.WithGRPC()}, "gRPC-Web": {connect.WithGRPCWeb()},
	} {
		for _, json := range []bool{false, true} {
			options := append(options, connect.WithCodec(pdataCodec{json}))
			label := name + map[bool]string{true: " JSON", false: " proto"}[json]
			url := "http://" + port.Addr().String() + otlp.RPCPath
			all[label] = client{connect.NewClient[request, response](over, url, options...)}
			all[label+", gzip"] = client{connect.NewClient[request, response](over, url, append(options, connect.WithSendGzip())...)}
		}
	}
	return all
}

func TestTheCallStoresWhatTheRequestOverHTTPStores(t *testing.T) {
	logs, record := oneRecord()
	record.SetEventName("order-paid")
	record.SetTimestamp(1)
	record.Attributes().PutInt("cents", 1299)
	byHTTP := &intaketest.Recorder{}
	if w := post(newService(byHTTP), protobuf, wire(t, logs)); w.Code != http.StatusOK || w.Body.Len() != 0 || w.Header().Get("Daybook-Durability") != "fsync" {
		t.Fatalf("status %d, %q, %v", w.Code, w.Body, w.Header())
	}
	want := string(intaketest.Rows(t, byHTTP.Records()))
	s := &intaketest.Recorder{}
	for name, c := range clients(t, newService(s)) {
		answer, err := c.CallUnary(t.Context(), connect.NewRequest(&request{plogotlp.NewExportRequestFromLogs(logs)}))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if n, _ := answer.Msg.rejected(); n != 0 || answer.Header().Get("Daybook-Durability") != "fsync" {
			t.Errorf("%s: %d rejected, %v", name, n, answer.Header())
		}
	}
	// JSON is another text, and has another id: the two copies are one event only
	// within an encoding.
	rows := strings.SplitAfter(string(intaketest.Rows(t, s.Records())), "\n")
	if len(rows) != 3 || rows[0] != want && rows[1] != want {
		t.Errorf("stored\n%s\nand over HTTP\n%s", rows, want)
	}
}

func TestTheCallSaysWhatCanBeSentAgainAndWhen(t *testing.T) {
	logs, record := oneRecord()
	record.SetEventName("order-paid")
	for name, c := range map[string]struct {
		fail  error
		code  connect.Code
		after string
	}{
		"full":      {&daybook.Error{Code: daybook.Exhausted, Reason: "disk_full", Message: "the disk is full", RetryAfter: 5 * time.Second}, connect.CodeResourceExhausted, "5"},
		"broken":    {errors.New("write /secret: input/output error"), connect.CodeUnavailable, "1"},
		"stopping":  {daybook.ErrClosed, connect.CodeUnavailable, "1"},
		"not asked": {&daybook.Error{Code: daybook.Unavailable, Reason: "store_slow", Message: "slow"}, connect.CodeUnavailable, "1"},
	} {
		t.Run(name, func(t *testing.T) {
			for protocol, client := range clients(t, newService(&intaketest.Recorder{Fail: c.fail})) {
				_, err := client.CallUnary(t.Context(), connect.NewRequest(&request{plogotlp.NewExportRequestFromLogs(logs)}))
				var failure *connect.Error
				if !errors.As(err, &failure) || failure.Code() != c.code || strings.Contains(failure.Message(), "secret") {
					t.Errorf("%s: %v, want %v", protocol, err, c.code)
					continue
				}
				details := failure.Details()
				want := "\x0a\x02\x08" + string([]byte{c.after[0] - '0'})
				if len(details) != 1 || details[0].Type() != "google.rpc.RetryInfo" || string(details[0].Bytes()) != want || failure.Meta().Get("Retry-After") != c.after {
					t.Errorf("%s: details %v, Retry-After %q", protocol, details, failure.Meta().Get("Retry-After"))
				}
			}
		})
	}
}

func TestTheCallTellsWhichRecordsAreRefused(t *testing.T) {
	logs, record := oneRecord()
	record.SetEventName("order-paid")
	logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().AppendEmpty().SetEventName(strings.Repeat("x", 257))
	for name, c := range clients(t, newService(&intaketest.Recorder{})) {
		answer, err := c.CallUnary(t.Context(), connect.NewRequest(&request{plogotlp.NewExportRequestFromLogs(logs)}))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		const want = "1 of 2 records are refused; record 1: text_too_long: event_name has 257 bytes, the limit is 256"
		if n, message := answer.Msg.rejected(); n != 1 || message != want {
			t.Errorf("%s: %d, %q", name, n, message)
		}
	}
}

func TestACallThatIsTooLargeIsNotToBeSentAgain(t *testing.T) {
	logs, record := oneRecord()
	record.Body().SetStr(strings.Repeat("x", largestCall))
	for name, c := range clients(t, newService(&intaketest.Recorder{})) {
		_, err := c.CallUnary(t.Context(), connect.NewRequest(&request{plogotlp.NewExportRequestFromLogs(logs)}))
		var failure *connect.Error
		if !errors.As(err, &failure) || failure.Code() != connect.CodeResourceExhausted || len(failure.Details()) != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

package logevent_test

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	eventsv1 "daybook.dev/gateway/internal/gen/events/v1"
	"daybook.dev/gateway/internal/intake/intaketest"
	"daybook.dev/gateway/internal/intake/logevent"
)

// FuzzDecodeJSON holds what must be true of any body: both routes give the same
// answer and store the same record, and what is accepted is strict JSON in its
// shortest form, within the limits.
func FuzzDecodeJSON(f *testing.F) {
	for _, folder := range intaketest.Cases(f, logevent.Protocol) {
		body, err := io.ReadAll(intaketest.Request(f, folder).Body)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		request, err := logevent.DecodeJSON(body)
		if !bytes.Equal(body, before) {
			t.Fatal("decoding changed the body")
		}
		if err == nil {
			checkRequest(t, request)
			if !jsontext.Value(body).IsValid() {
				t.Fatal("accepted what jsontext refuses")
			}
		}
		fast, slow := newGateway(), newGateway()
		answer := fast.post(string(body))
		compareAnswers(t, answer, slow.post(string(body), "Content-Type", "application/json; charset=UTF-8"))
		compareStored(t, fast, slow)
		outOfRange := bytes.Contains(answer.Body.Bytes(), []byte("event_ts is outside")) // admission's to say
		if stored := len(fast.store.Records()); (stored == 1) != (err == nil && !outOfRange) {
			t.Fatalf("%d records stored, decoding says %v", stored, err)
		}
	})
}

func checkRequest(t *testing.T, r logevent.Request) {
	t.Helper()
	for _, text := range []string{r.Name, r.Type, r.Actor, r.Key} {
		if !utf8.ValidString(text) || len(text) > 256 {
			t.Fatalf("accepted text %q", text)
		}
	}
	if r.Metadata == nil {
		return
	}
	if len(r.Metadata) > 65_536 || jsontext.Value(r.Metadata).Kind() != '{' {
		t.Fatalf("accepted metadata of %d bytes: %s", len(r.Metadata), r.Metadata)
	}
	if shortest := rewritten(t, r.Metadata); !bytes.Equal(shortest, r.Metadata) {
		t.Fatalf("accepted metadata\n%s\nis not its own shortest form\n%s", r.Metadata, shortest)
	}
}

// rewritten is JSON as jsontext writes it, token by token, and within the depth
// of the contract.
func rewritten(t *testing.T, text []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	decoder, encoder := jsontext.NewDecoder(bytes.NewReader(text)), jsontext.NewEncoder(&out)
	for {
		token, err := decoder.ReadToken()
		if errors.Is(err, io.EOF) {
			return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
		}
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if decoder.StackDepth() > 64 {
			t.Fatalf("too deep: %s", text)
		}
		if token.Kind() == '"' {
			token = jsontext.String(token.String()) // without the escapes it came with
		}
		if err := encoder.WriteToken(token); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
}

// FuzzDecodeProto holds that any bytes are decoded without a panic, and that
// what is accepted is what the same message in JSON is taken for.
func FuzzDecodeProto(f *testing.F) {
	for _, folder := range intaketest.Cases(f, logevent.Protocol) {
		body, err := io.ReadAll(intaketest.Request(f, folder).Body)
		if err != nil {
			f.Fatal(err)
		}
		var m eventsv1.LogEventRequest
		if protojson.Unmarshal(body, &m) != nil {
			continue
		}
		wire, err := proto.Marshal(&m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
		f.Add(wire[:len(wire)/2])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		request, refused := logevent.DecodeProto(&logevent.Service{}, body)
		if refused == nil {
			checkRequest(t, request)
		}
		var m eventsv1.LogEventRequest
		if proto.Unmarshal(body, &m) != nil {
			if refused == nil {
				t.Fatal("accepted what proto refuses")
			}
			return
		}
		text, err := protojson.Marshal(&m)
		if err != nil {
			if refused == nil {
				t.Fatalf("accepted what has no JSON: %v", err)
			}
			return
		}
		same, refusedJSON := logevent.DecodeJSON(text)
		if (refused == nil) != (refusedJSON == nil) {
			t.Fatalf("%s\nas protobuf: %v\nas JSON: %v", text, refused, refusedJSON)
		}
		if refused == nil && !reflect.DeepEqual(request, same) {
			t.Fatalf("%s\nas protobuf: %+v %s\nas JSON: %+v %s", text, request, request.Metadata, same, same.Metadata)
		}
	})
}

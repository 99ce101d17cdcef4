package admit_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"daybook.dev"
	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/store"
)

var why = &daybook.Error{Code: daybook.TooLarge, Reason: "event_too_large", Message: "too large", Field: "metadata"}

// aside is the record of an event that an intake refused and wants kept.
func aside(s admit.Submission) store.Record {
	s.Err, s.Quarantine = why, true
	r, _ := admitted(admitter(), s)
	return r
}

func TestAnEventSetAsideIsCompleteAndSaysWhy(t *testing.T) {
	r := aside(given(daybook.Event{Actor: "ann", Metadata: []byte(`{"n":1e400}`)}))
	if r.Kind != store.KindRefused || r.Event.ID != "new-id" || !r.Event.Time.Equal(noon) || !r.Received.Equal(noon) || r.Event.Actor != "ann" {
		t.Errorf("set aside as %+v", r)
	}
	if string(r.Event.Metadata) != `{"n":1e400}` {
		t.Errorf("metadata %s", r.Event.Metadata)
	}
	if *r.Refusal != (store.Refusal{Code: daybook.TooLarge, Reason: "event_too_large", Message: "too large", Field: "metadata"}) {
		t.Errorf("because of %+v", r.Refusal)
	}
}

func TestACopyOfAnEventSetAsideHasItsDigest(t *testing.T) {
	e := daybook.Event{ID: "e1", Metadata: []byte(`{"n":1}`)}
	first, again := aside(given(e)), aside(given(e))
	e.Metadata = []byte(`{"n":2}`)
	other := aside(given(e))
	if first.Digest != again.Digest || first.Digest == other.Digest {
		t.Errorf("digests %x, %x and of another one %x", first.Digest, again.Digest, other.Digest)
	}
}

func TestMetadataThatCannotBeRedactedIsNotSetAside(t *testing.T) {
	for name, metadata := range map[string]string{
		"no object":  `"ann@example.com"`,
		"cut off":    `{"email":"ann@example.com`,
		"two":        `{} {}`,
		"a twin":     `{"a":1,"a":2}`,
		"no text":    "{\"a\":\"\xff\"}",
		"very large": `{"a":"` + strings.Repeat("x", 32<<20) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			if r := aside(given(daybook.Event{ID: "e1", Metadata: []byte(metadata)})); r.Event.Metadata != nil {
				t.Errorf("kept %.60s", r.Event.Metadata)
			}
		})
	}
}

func TestTwoLongIDsStayTwo(t *testing.T) {
	long := strings.Repeat("é", 200)
	a := aside(given(daybook.Event{ID: long + "a"})).Event.ID
	b := aside(given(daybook.Event{ID: long + "b"})).Event.ID
	if a == b || !strings.HasPrefix(a, "éé") || len(a) > 256 || !utf8.ValidString(a) {
		t.Errorf("%q and %q", a, b)
	}
}

// FuzzSetAside holds that what is set aside can be stored and read, whatever was
// refused.
func FuzzSetAside(f *testing.F) {
	f.Add("", "a", "", "", "", int64(0), []byte(nil))
	f.Add("e1\xff", strings.Repeat("é", 200), "log", "ann", "k", int64(-1)<<40, []byte(`{"a":1}`))
	f.Fuzz(func(t *testing.T, id, name, typ, actor, key string, seconds int64, metadata []byte) {
		event := daybook.Event{
			ID: id, Name: name, Type: daybook.Type(typ), Actor: actor, IdempotencyKey: key,
			Time: time.Unix(seconds, 0), Metadata: metadata,
		}
		r := aside(admit.Submission{Event: event, TimeGiven: true})
		e := r.Event
		if e.ID == "" || e.Time.Year() < 1 || e.Time.Year() > 9999 {
			t.Fatalf("incomplete: %+v", e)
		}
		for _, text := range []string{e.ID, e.Name, string(e.Type), e.Actor, e.IdempotencyKey} {
			if len(text) > 256 || !utf8.ValidString(text) {
				t.Fatalf("text %q", text)
			}
		}
		if e.Metadata != nil && !jsontext.Value(e.Metadata).IsValid() {
			t.Fatalf("metadata %s", e.Metadata)
		}
		if _, err := store.ParseRecord(r.Kind, r.AppendPayload(nil, r.Key())); err != nil {
			t.Fatal(err)
		}
	})
}

package store_test

import (
	"bytes"
	"encoding/hex"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
)

// full returns a record of a kind with everything set that it can carry.
func full(kind store.Kind) store.Record {
	r := store.Record{
		Kind: kind,
		Event: daybook.Event{
			ID: "id-1", Name: "login", Type: daybook.Log, Actor: "ann",
			Time:     time.Date(1969, 12, 31, 23, 59, 58, 7, time.UTC),
			Metadata: []byte(`{"n":1}`), IdempotencyKey: "once", SampleRate: 0.5,
		},
		Scope: "publisher", Digest: store.Digest{1, 2}, StoreOnly: true, Awaited: []string{"a", "b"}, Caller: "c", Protocol: "http", Instance: "i",
		Received: time.Date(2026, 11, 21, 9, 0, 0, 1, time.UTC),
	}
	switch kind {
	case store.KindRefused:
		r.Refusal = &store.Refusal{
			Destination: "kafka", Attempts: 3, Code: daybook.Invalid, Reason: "blank_name", Field: "event_name", Message: "blank", Position: 7,
		}
	case store.KindSettled:
		r.Settlement = &store.Settlement{Position: 9, Destination: "statsig", Status: daybook.Failed, Reason: "timeout"}
	case store.KindSummary:
		r.Summary = []store.Count{{Caller: "c", Status: daybook.Stored, Reason: "r", Events: 300}}
		r.Through = 5
	}
	return r
}

var kinds = []store.Kind{store.KindEvent, store.KindRefused, store.KindSettled, store.KindSummary}

func encode(r store.Record) []byte { return r.AppendPayload(nil, r.Key()) }

// written is what full(kind) looks like on disk: the fields of the event, which
// are the same for every kind, and those of the kind.
var (
	writtenEvent = "0a104a1f3adc4add118f40ac0af3f93bfb1f120801020000000000001a097075626c697368657222" +
		"0469642d312a056c6f67696e32036c6f673a03616e6e4003480752077b226e223a317d5a046f6e636561000000000000" +
		"e03f6a01637204687474707a0169810101a0738cd103ea18d80101e2010161e2010162"
	written = map[store.Kind]string{
		store.KindEvent:   writtenEvent,
		store.KindRefused: writtenEvent + "88010192010a626c616e6b5f6e616d659a010a6576656e745f6e616d65a20105626c616e6baa01056b61666b61b00103b80107",
		store.KindSettled: writtenEvent + "b80109aa010773746174736967c0010592010774696d656f7574",
		store.KindSummary: writtenEvent + "b80105ca010e6a016392010172c00101d001ac02",
	}
)

// The bytes of a record are a promise: journals outlive the program. A change
// here needs a new format version.
func TestTheEncodingDoesNotChange(t *testing.T) {
	for kind, want := range written {
		if got := hex.EncodeToString(encode(full(kind))); got != want {
			t.Errorf("%v is\n%s\nwant\n%s", kind, got, want)
		}
	}
}

func TestUnknownFieldsAreSkipped(t *testing.T) {
	for _, kind := range kinds {
		want := full(kind)
		// Field 100 in each wire type.
		extended := append(encode(want), 0xa0, 0x06, 0x96, 0x01, 0xa1, 0x06, 1, 2, 3, 4, 5, 6, 7, 8, 0xa2, 0x06, 2, 'h', 'i', 0xa5, 0x06, 1, 2, 3, 4)
		got, err := store.ParseRecord(kind, extended)
		if err != nil || !bytes.Equal(encode(got), encode(want)) {
			t.Errorf("%v: got %+v, %v", kind, got, err)
		}
	}
}

func TestAPayloadCutAnywhereIsAnErrorOrAShorterRecord(t *testing.T) {
	for _, kind := range kinds {
		payload := encode(full(kind))
		wrong := 0
		for n := range payload {
			if _, err := store.ParseRecord(kind, payload[:n:n]); err != nil {
				wrong++
			}
		}
		if wrong < len(payload)/2 {
			t.Errorf("%v: only %d of %d cuts were noticed", kind, wrong, len(payload))
		}
	}
}

func TestARecordKeepsNoPartOfItsPayload(t *testing.T) {
	payload := encode(full(store.KindRefused))
	r, err := store.ParseRecord(store.KindRefused, payload)
	if err != nil {
		t.Fatal(err)
	}
	clear(payload)
	if !bytes.Equal(encode(r), encode(full(store.KindRefused))) {
		t.Errorf("the record changed with the payload: %+v", r)
	}
}

func TestTheIdentityOfAPayloadIsThatOfItsRecord(t *testing.T) {
	plain := full(store.KindRefused)
	plain.Refusal.Destination = ""
	unnamed := full(store.KindEvent)
	unnamed.Event.ID = ""
	for _, r := range []store.Record{full(store.KindEvent), full(store.KindRefused), full(store.KindSettled), full(store.KindSummary), plain, unnamed} {
		got, err := store.ParseIdentity(r.Kind, encode(r))
		want := store.Identity{Key: r.Key(), Digest: r.Digest, Received: r.Received, Unique: r.Unique()}
		want.Again, want.Twice = r.AgainKey()
		if err != nil || got != want {
			t.Errorf("%v: got %+v, %v, want %+v", r.Kind, got, err, want)
		}
	}
	if event := full(store.KindEvent); !event.Unique() || !plain.Unique() || unnamed.Unique() {
		t.Error("an event and an event the gateway refused are unique, an event without an id is not")
	}
}

func TestKeysDependOnScopeAndID(t *testing.T) {
	keys := map[store.Key]string{}
	for _, pair := range [][2]string{{"ab", "c"}, {"a", "bc"}, {"", "abc"}, {"abc", ""}, {"b", "c"}} {
		name := pair[0] + "/" + pair[1]
		if other, taken := keys[store.KeyOf(pair[0], pair[1])]; taken {
			t.Errorf("%s and %s have one key", name, other)
		}
		keys[store.KeyOf(pair[0], pair[1])] = name
	}
	scoped, other := full(store.KindEvent), full(store.KindEvent)
	other.Caller = "somebody else" // the publisher both vouch for counts
	if scoped.Key() != other.Key() {
		t.Error("the scope does not replace the caller")
	}
}

func FuzzParseRecord(f *testing.F) {
	for _, kind := range kinds {
		f.Add(uint8(kind), encode(full(kind)))
	}
	f.Add(uint8(store.KindEvent), []byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Add(uint8(store.KindSummary), []byte{0xca, 0x01, 0x02, 0x6a, 0x05})
	f.Fuzz(func(t *testing.T, kind uint8, payload []byte) {
		_, _ = store.ParseIdentity(store.Kind(kind), payload)
		r, err := store.ParseRecord(store.Kind(kind), payload)
		if err != nil {
			return
		}
		// What was understood is written and read again without a loss.
		written := encode(r)
		again, err := store.ParseRecord(store.Kind(kind), written)
		if err != nil || !bytes.Equal(encode(again), written) {
			t.Errorf("%x becomes %x, %v", written, encode(again), err)
		}
	})
}

func BenchmarkAppendPayloadNoAlloc(b *testing.B) {
	r := full(store.KindEvent)
	dst := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		dst = r.AppendPayload(dst[:0], r.Key())
	}
}

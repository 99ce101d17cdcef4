package sinktest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"daybook.dev"
)

// arrived fails the test unless what is at the destination is want: each event
// once, or at least once where no more is promised.
func (d *destination) arrived(t *testing.T, want ...daybook.Event) {
	t.Helper()
	d.compare(t, want, d.traits.AtLeastOnce)
}

// atLeast is arrived where some of want may be there more than once.
func (d *destination) atLeast(t *testing.T, want ...daybook.Event) {
	t.Helper()
	d.compare(t, want, true)
}

func (d *destination) compare(t *testing.T, want []daybook.Event, repeated bool) {
	t.Helper()
	wanted, found := map[string]int{}, map[string]int{}
	for _, e := range want {
		wanted[d.text(t, d.traits.Expect(e))]++
	}
	for _, a := range d.Arrived(t, len(want)) {
		found[d.text(t, a)]++
	}
	for text, n := range wanted {
		if found[text] < n || found[text] > n && !repeated {
			t.Errorf("arrived %d times, want %d: %s", found[text], n, shorten(text))
		}
	}
	for text, n := range found {
		if wanted[text] == 0 {
			t.Errorf("arrived %d times, never written: %s", n, shorten(text))
		}
	}
}

// text writes an arrival in one way, so that equal ones are equal texts.
func (d *destination) text(t *testing.T, a Arrival) string {
	t.Helper()
	metadata := a.Metadata
	if len(metadata) == 0 {
		metadata = []byte("{}")
	}
	in := json.NewDecoder(bytes.NewReader(metadata))
	if d.traits.ExactNumbers {
		in.UseNumber()
	}
	var object map[string]any
	if err := in.Decode(&object); err != nil {
		t.Fatalf("metadata of %q is no JSON object: %v: %s", a.ID, err, shorten(string(metadata)))
	}
	sorted, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%q %q %s", a.ID, a.Name, sorted)
}

func shorten(text string) string {
	const most = 400
	if len(text) <= most {
		return text
	}
	return fmt.Sprintf("%s… (%d bytes)", text[:most], len(text))
}

// FromFlat returns what a message in the flat encoding says: its metadata is
// whatever is not a member of the event's own.
func FromFlat(t *testing.T, message []byte) Arrival {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal(message, &members); err != nil {
		t.Fatalf("%v: %s", err, shorten(string(message)))
	}
	var a Arrival
	json.Unmarshal(members["event_id"], &a.ID)
	json.Unmarshal(members["event_name"], &a.Name)
	for _, own := range []string{"event_id", "event_name", "event_time", "event_type", "actor_id", "idempotency_key", "sample_rate"} {
		delete(members, own)
	}
	a.Metadata, _ = json.Marshal(members) // raw values stay as they are
	return a
}

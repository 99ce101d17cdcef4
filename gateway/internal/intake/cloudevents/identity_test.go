package cloudevents_test

import (
	"strings"
	"testing"

	"daybook.dev/gateway/internal/intake/intaketest"
)

// An id is unique within its source, whatever the source is long.
func TestSourceAndIDTogetherTellAnEventFromAllOthers(t *testing.T) {
	from := func(source string) string {
		return `{"specversion":"1.0","id":"e1","source":"` + source + `","type":"t"}`
	}
	long := "https://example.com/" + strings.Repeat("a", 300)
	sources := []string{"/a", "/b", long, long + "b", strings.Repeat("s", 256), strings.Repeat("s", 257)}
	s := &intaketest.Recorder{}
	h := newHandler(s)
	for _, want := range []string{"stored", "duplicate"} {
		for _, source := range sources {
			if got := parse(t, post(h, from(source), "Content-Type", asJSON)).Results[0].Status; got != want {
				t.Errorf("%.40s…: %s, want %s", source, got, want)
			}
		}
	}
	for i, r := range s.Records() {
		scope := strings.TrimPrefix(r.Scope, "anonymous/")
		if hashed := strings.HasPrefix(scope, "sha256:"); hashed != (len(sources[i]) > 256) || !hashed && scope != sources[i] {
			t.Errorf("%d bytes of source: scope %s", len(sources[i]), r.Scope)
		}
		if !strings.Contains(string(r.Event.Metadata), `"source":"`+sources[i]+`"`) {
			t.Errorf("%d bytes of source are not kept", len(sources[i]))
		}
	}
}

package segment_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"daybook.dev/gateway/internal/intake/intaketest"
)

// TestASendersClockDoesNotMatter draws how far a sender's clock is off, and how
// long a message has waited there before it is sent: its time comes out right.
func TestASendersClockDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		off := time.Duration(rapid.Int64Range(int64(-20*365*24*time.Hour), int64(20*365*24*time.Hour)).Draw(t, "off")).Truncate(time.Millisecond)
		waited := time.Duration(rapid.Int64Range(0, int64(30*24*time.Hour)).Draw(t, "waited")).Truncate(time.Millisecond)
		const layout = "2006-01-02T15:04:05.000Z07:00"
		sent := intaketest.Noon.Add(off).Format(layout)
		happened := intaketest.Noon.Add(off - waited).Format(layout)
		s := &intaketest.Recorder{}
		post(newHandler(s), "/v1/batch", `{"batch":[`+message(`,"timestamp":"`+happened+`"`)+`],"sentAt":"`+sent+`"}`)
		e := s.Records()[0].Event
		if want := intaketest.Noon.Add(-waited); !e.Time.Equal(want) {
			t.Fatalf("time %v, want %v", e.Time, want)
		}
		if !strings.Contains(string(e.Metadata), `"originalTimestamp":"`+happened+`"`) {
			t.Fatalf("the time as sent is lost: %s", e.Metadata)
		}
	})
}

// TestAnAbsurdClockIsCorrectedToo: one that was never set begins in some first year,
// further away than a time.Duration goes. What no correction makes a time of stays.
func TestAnAbsurdClockIsCorrectedToo(t *testing.T) {
	const before, after = "2026-01-02T11:59:59Z", "2026-01-02T12:00:01Z" // noon is when it is received
	for name, c := range map[string]struct{ timestamp, sentAt, want string }{
		"the year 2":                         {"0002-03-04T05:06:07Z", "0002-03-04T05:06:08Z", before},
		"the year 9999":                      {"9999-12-31T23:59:58Z", "9999-12-31T23:59:59Z", before},
		"sent before it happened":            {"0002-03-04T05:06:08Z", "0002-03-04T05:06:07Z", after},
		"set in between":                     {"1970-01-01T00:00:00Z", "2026-01-02T12:00:00Z", "1970-01-01T00:00:00Z"},
		"set in between, to the year 9999":   {"2026-01-02T11:00:00Z", "9999-12-31T23:59:59Z", "2026-01-02T11:00:00Z"},
		"set in between, from the year 9999": {"9999-12-31T23:59:59Z", "2026-01-02T11:00:00Z", "9999-12-31T23:59:59Z"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &intaketest.Recorder{}
			w := post(newHandler(s), "/v1/batch", `{"batch":[`+message(`,"timestamp":"`+c.timestamp+`"`)+`],"sentAt":"`+c.sentAt+`"}`)
			if len(s.Records()) != 1 {
				t.Fatalf("not stored: %s", w.Body)
			}
			if got := s.Records()[0].Event.Time.Format(time.RFC3339); got != c.want {
				t.Errorf("time %s, want %s", got, c.want)
			}
		})
	}
}

func TestAMessageThatIsSentAgainLaterIsADuplicate(t *testing.T) {
	s := &intaketest.Recorder{}
	h := newHandler(s)
	body := func(sentAt string) string {
		return `{"batch":[` + message(`,"timestamp":"2026-01-02T11:00:00.000Z"`) + `],"sentAt":"` + sentAt + `"}`
	}
	for _, sentAt := range []string{"2026-01-02T11:00:00.100Z", "2026-01-02T11:00:02.700Z"} {
		if w := post(h, "/v1/batch", body(sentAt)); w.Body.String() != `{"success":true}` {
			t.Errorf("%s: %s", sentAt, w.Body)
		}
	}
	if n := len(s.Records()); n != 1 {
		t.Errorf("%d records", n)
	}
}

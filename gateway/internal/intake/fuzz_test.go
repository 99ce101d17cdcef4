package intake_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"daybook.dev/gateway/internal/intake"
)

// FuzzParseTime holds our times against Go's: what we take, Go takes and means
// the same by it.
func FuzzParseTime(f *testing.F) {
	for _, text := range []string{
		"2026-01-31T12:00:00Z", "2026-01-31t12:00:00.123456789+02:00", "2024-02-29T23:59:59-23:59", "0000-01-01T00:00:00z",
		"2026-02-30T00:00:00Z", "2026-01-31T12:00:60Z", "2026-01-31T12:00:00.Z", "2026-01-31T12:00:00", "",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, problem := intake.ParseTime(text)
		want, err := time.Parse(time.RFC3339Nano, strings.ToUpper(string(text)))
		if problem != "" {
			return // we are stricter
		}
		if err != nil || !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("%q is %v, Go says %v, %v", text, got, want, err)
		}
	})
}

// FuzzClientReport looks for a report that makes up labels or numbers.
func FuzzClientReport(f *testing.F) {
	for _, report := range []string{"queue_full=3", "queue_full=3, made-up=2", "a=", "=1", "a=1,", "a=-1", "expired=1000000001", ""} {
		f.Add(report)
	}
	known := map[string]bool{
		"queue_full": true, "spool_full": true, "expired": true, "sampled": true, "opted_out": true, "killed": true,
		"too_large": true, "invalid": true, "refused": true, "closed": true, "failed": true, "other": true,
	}
	f.Fuzz(func(t *testing.T, report string) {
		drops := intake.ClientReport(http.Header{intake.ClientReportHeader: {report}})
		if len(drops) > 32 || len(drops) > 0 && len(report) > 1<<10 {
			t.Errorf("%d drops from %d bytes", len(drops), len(report))
		}
		for _, d := range drops {
			if !known[d.Reason] || d.Events > 1_000_000_000 {
				t.Errorf("%q made %+v", report, d)
			}
		}
	})
}

// FuzzRequestID looks for a traceparent that makes an id which is none.
func FuzzRequestID(f *testing.F) {
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	for _, text := range []string{"00-" + id + "-00f067aa0ba902b7-01", "cc-" + id + "-00f067aa0ba902b7-01-more", "ff-" + id + "-00f067aa0ba902b7-01", "-", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, traceparent string) {
		got := intake.RequestID(http.Header{"Traceparent": {traceparent}})
		if len(got) != 32 || strings.Trim(got, "0123456789abcdef") != "" || strings.Trim(got, "0") == "" {
			t.Errorf("%q makes the id %q", traceparent, got)
		}
	})
}

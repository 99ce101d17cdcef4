package intake_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"daybook.dev/gateway/internal/intake"
)

func TestTheRequestIDIsTheTraceIDWhereThatIsValid(t *testing.T) {
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	for traceparent, taken := range map[string]bool{
		"00-" + id + "-00f067aa0ba902b7-01":                      true,
		"cc-" + id + "-00f067aa0ba902b7-01-more":                 true,
		"00-" + id + "-00f067aa0ba902b7-01-more":                 false,
		"ff-" + id + "-00f067aa0ba902b7-01":                      false,
		"00-" + strings.ToUpper(id) + "-00f067aa0ba902b7-01":     false,
		"00-" + strings.Repeat("0", 32) + "-00f067aa0ba902b7-01": false,
		"00-" + id + "-" + strings.Repeat("0", 16) + "-01":       false,
		"00-" + id + "-00f067aa0ba902b7":                         false,
		"00-" + id[:31] + "\n-00f067aa0ba902b7-01":               false,
		"":                      false,
		strings.Repeat("-", 55): false,
	} {
		h := http.Header{}
		h.Set("Traceparent", traceparent)
		got := intake.RequestID(h)
		if (got == id) != taken || len(got) != 32 || strings.Trim(got, "0123456789abcdef") != "" {
			t.Errorf("%q: id %q", traceparent, got)
		}
	}
	if a, b := intake.RequestID(nil), intake.RequestID(nil); a == b {
		t.Errorf("two requests are called %s", a)
	}
}

func TestAClientReportIsTakenExactlyOrNotAtAll(t *testing.T) {
	for report, want := range map[string]string{
		"queue_full=3":                     "[{queue_full 3}]",
		"queue_full=3, expired=1":          "[{queue_full 3} {expired 1}]",
		"made-up=7":                        "[{other 7}]",
		"queue_full=0":                     "[{queue_full 0}]",
		"":                                 "[]",
		"queue_full":                       "[]",
		"queue_full=":                      "[]",
		"=3":                               "[]",
		"queue_full=-1":                    "[]",
		"queue_full=+1":                    "[]",
		"queue_full=1.5":                   "[]",
		"queue_full=1000000001":            "[]",
		"queue_full=3,":                    "[]",
		"queue_full=3,,expired=1":          "[]",
		strings.Repeat("a=1,", 40) + "a=1": "[]",
		"a=1," + strings.Repeat("b", 2000) + "=1": "[]",
	} {
		h := http.Header{}
		h.Set(intake.ClientReportHeader, report)
		if got := fmt.Sprint(intake.ClientReport(h)); got != want {
			t.Errorf("%.40q: got %s, want %s", report, got, want)
		}
	}
	if got := intake.ClientReport(http.Header{}); got != nil {
		t.Errorf("no report: got %v", got)
	}
}

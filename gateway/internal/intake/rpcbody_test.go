package intake_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"daybook.dev"
	"daybook.dev/gateway/internal/intake"
)

// TestASlowCallHoldsNoMoreThanItHasSent: a few callers who say that what they send
// is compressed, and then send nothing, must not hold everybody else's memory.
func TestASlowCallHoldsNoMoreThanItHasSent(t *testing.T) {
	for _, header := range []string{"", "Content-Encoding", "Grpc-Encoding"} {
		budget := intake.NewBudget(1 << 30)
		r := httptest.NewRequest(http.MethodPost, "/", io.MultiReader(strings.NewReader("x"), strings.NewReader("the rest, later")))
		if header != "" {
			r.Header.Set(header, "gzip")
		}
		body := intake.NewRPCBody(r, budget, 16<<20, func(err *daybook.Error) error { return err })
		if n, err := body.Read(make([]byte, 100)); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if used := budget.Used(); used < 1 || used > 100 {
			t.Errorf("%s: one byte holds %d", header, used)
		}
		if err := body.Decoded(1 << 20); err != nil || budget.Used() < 1<<20 {
			t.Errorf("%s: a message of 1 MiB holds %d, %v", header, budget.Used(), err)
		}
		body.Lease.Release()
		if used := budget.Used(); used != 0 {
			t.Errorf("%s: %d bytes are still held", header, used)
		}
	}
}

package plainhttp_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/intaketest"
)

func TestNamesThatTakeMoreThanTheBodyAreCharged(t *testing.T) {
	var names strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&names, `,"%x":0`, i)
	}
	hostile := `{"event_name":"a"` + names.String() + "}"
	harmless := `{"event_name":"a","x":"` + strings.Repeat("y", len(hostile)-30) + `"}`
	for body, status := range map[string]int{harmless: http.StatusOK, hostile: http.StatusTooManyRequests} {
		budget := intake.NewBudget(64 << 20)
		others := budget.Lease()
		if err := others.Grow(58 << 20); err != nil {
			t.Fatal(err)
		}
		h := newHandler(intaketest.Nowhere{})
		h.Body = &intake.Body{Budget: budget}
		w := post(h, body)
		if w.Code != status || budget.Used() != 58<<20 {
			t.Errorf("%.40s: status %d, want %d: %.200s", body, w.Code, status, w.Body)
		}
	}
}

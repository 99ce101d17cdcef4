package logevent_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestNamesThatTakeMoreThanTheBodyAreCharged(t *testing.T) {
	hostile := `{"event_name":"a","ignored":` + object(60_000) + "}"
	harmless := `{"event_name":"a","ignored":"` + strings.Repeat("y", len(hostile)-40) + `"}`
	for _, contentType := range []string{"application/json", "application/json; charset=UTF-8"} {
		for body, status := range map[string]int{harmless: http.StatusOK, hostile: http.StatusTooManyRequests} {
			g := newGateway()
			others := g.Budget.Lease()
			if err := others.Grow(60 << 20); err != nil {
				t.Fatal(err)
			}
			w := g.post(body, "Content-Type", contentType)
			if w.Code != status || g.Budget.Used() != 60<<20 {
				t.Errorf("%.40s: status %d, want %d: %.200s", body, w.Code, status, w.Body)
			}
		}
	}
}

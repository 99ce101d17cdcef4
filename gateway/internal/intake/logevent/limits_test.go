package logevent_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	eventsv1 "daybook.dev/gateway/internal/gen/events/v1"
)

// An answer is what a caller sees of a reply, in any encoding of Connect.
type answer struct {
	status  int
	message string
}

// senders send a request in JSON in every way there is: by both routes, and as
// the Protocol Buffers of the same meaning.
func senders(t testing.TB) map[string]func(g *gateway, body string) answer {
	t.Helper()
	return map[string]func(*gateway, string) answer{
		"JSON": func(g *gateway, body string) answer {
			return answerOf(g.post(body))
		},
		"JSON through connect-go": func(g *gateway, body string) answer {
			return answerOf(g.post(body, "Content-Type", "application/json; charset=UTF-8"))
		},
		"protobuf": func(g *gateway, body string) answer {
			var m eventsv1.LogEventRequest
			if err := protojson.Unmarshal([]byte(body), &m); err != nil {
				t.Fatal(err)
			}
			wire, err := proto.Marshal(&m)
			if err != nil {
				t.Fatal(err)
			}
			return answerOf(g.post(string(wire), "Content-Type", "application/proto"))
		},
	}
}

// TestR20 holds every limit at its exact boundary, in every encoding.
func TestR20(t *testing.T) {
	type limit struct {
		what   string
		around [2]int // the largest that is accepted, the smallest that is refused
		body   func(n int) string
		says   string
	}
	limits := []limit{
		{
			"keys of metadata",
			[2]int{256, 257},
			func(n int) string { return event(`"metadata":` + object(n)) },
			"metadata has 257 top-level keys, the limit is 256",
		},
		{"bytes of metadata", [2]int{65_536, 65_537}, func(n int) string {
			return event(fmt.Sprintf(`"metadata":{"a":%q}`, strings.Repeat("x", n-len(`{"a":""}`))))
		}, "metadata has 65537 bytes as compact JSON, the limit is 65536"},
		{"bytes of metadata written with blanks and escapes", [2]int{65_536, 65_537}, func(n int) string {
			return event(`"metadata": { "\u0061" : "` + strings.Repeat(`\u0078`, n-len(`{"a":""}`)) + `" }`)
		}, "metadata has 65537 bytes as compact JSON, the limit is 65536"},
		{"bytes of metadata that is not ASCII", [2]int{65_536, 65_537}, func(n int) string {
			return event(`"metadata":{"a":"` + strings.Repeat("é", (n-8)/2) + strings.Repeat("x", n%2) + `"}`)
		}, "metadata has 65537 bytes as compact JSON, the limit is 65536"},
		{"bytes of metadata that need their escapes", [2]int{65_536, 65_537}, func(n int) string {
			return event(`"metadata":{"a":"` + strings.Repeat(`\u000a`, (n-8)/2) + strings.Repeat("x", n%2) + `"}`)
		}, "metadata has 65537 bytes as compact JSON, the limit is 65536"},
		{"levels of objects", [2]int{64, 65}, func(n int) string {
			return event(`"metadata":` + strings.Repeat(`{"a":`, n-1) + "{}" + strings.Repeat("}", n-1))
		}, "metadata is nested deeper than 64 levels"},
		{"levels of arrays", [2]int{64, 65}, func(n int) string {
			return event(`"metadata":{"a":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + "}")
		}, "metadata is nested deeper than 64 levels"},
	}
	for _, field := range []string{"event_name", "event_type", "actor_id", "idempotency_key"} {
		limits = append(limits, limit{"bytes of " + field, [2]int{256, 257}, func(n int) string {
			text := fmt.Sprintf(`%q:"\u2003%s "`, field, strings.Repeat("é", n/2)+strings.Repeat("x", n%2)) // blanks do not count
			if field == "event_name" {
				return "{" + text + "}"
			}
			return event(text)
		}, field + " has 257 bytes, the limit is 256"})
	}
	for _, l := range limits {
		t.Run(l.what, func(t *testing.T) {
			for by, send := range senders(t) {
				for _, n := range []int{l.around[0] - 1, l.around[0], l.around[1]} {
					g := newGateway()
					got, want := send(g, l.body(n)), answer{status: http.StatusOK}
					if n == l.around[1] {
						want = answer{http.StatusBadRequest, l.says}
					}
					if got != want || len(g.store.Records()) != btoi(want.status == http.StatusOK) {
						t.Errorf("%d by %s: %+v, want %+v", n, by, got, want)
					}
				}
			}
		})
	}
	t.Run("bytes of a request", func(t *testing.T) {
		for _, contentType := range []string{"application/json", "application/json; charset=UTF-8"} {
			for n, status := range map[int]int{1<<20 - 1: 200, 1 << 20: 200, 1<<20 + 1: 429} {
				body := event("")
				got := answerOf(newGateway().post(body+strings.Repeat(" ", n-len(body)), "Content-Type", contentType))
				if got.status != status || status != 200 && got.message != "the body has more than 1048576 bytes, which is the limit" {
					t.Errorf("%s: %d bytes: %+v, want %d", contentType, n, got, status)
				}
			}
		}
	})
}

// event is a request with more members.
func event(members string) string {
	if members == "" {
		return `{"event_name":"a"}`
	}
	return `{"event_name":"a",` + members + "}"
}

// object is an object of n members.
func object(n int) string {
	members := make([]string, n)
	for i := range members {
		members[i] = fmt.Sprintf(`"k%d":%d`, i, i)
	}
	return "{" + strings.Join(members, ",") + "}"
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestACallThatExpandsBeyondTheLimitIsToldSoAtOnce(t *testing.T) {
	bomb := gzipped(t, strings.Repeat(" ", 2<<20))
	cut := bomb[:len(bomb)-100] // nobody looks so far
	got := answerOf(newGateway().post(cut, "Content-Encoding", "gzip"))
	if want := (answer{http.StatusTooManyRequests, "the decompressed body has more than 1048576 bytes, which is the limit"}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

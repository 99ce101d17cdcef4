package main

import (
	"bufio"
	"bytes"
	"testing"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
)

func TestWhatIsPrintedDoesNotMoveTheCursor(t *testing.T) {
	for text, want := range map[string]string{
		"plain text, ünïcödé 日本 😀": "plain text, ünïcödé 日本 😀",
		"\x1b[2J\a":                `\x1b[2J\a`,
		"a\nb\tc\r":                `a\nb\tc\r`,
		"\u202egpj.exe":            `\u202egpj.exe`,
		"\u009b31m":                `\u009b31m`,
	} {
		if got := printable(text); got != want {
			t.Errorf("%q is printed as %q, want %q", text, got, want)
		}
	}
	var out bytes.Buffer
	w := bufio.NewWriter(&out)
	row := `{"event_id":"i\u001b","event_name":"n\n","event_type":null,"actor_id":"a","event_ts":"2026-01-02T03:04:05Z","metadata":{"k":"\u009b"}}`
	if err := (&app{}).printRow(w, []byte(row)); err != nil {
		t.Fatal(err)
	}
	_ = w.Flush()
	want := "2026-01-02T03:04:05.000Z  n\\n                       -           a                 i\\x1b  {\"k\":\"\\u009b\"}\n"
	if out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
}

func TestDumpNamesTheKindOfWhatIsNoEvent(t *testing.T) {
	for _, c := range []struct {
		entry store.Entry
		want  string
	}{
		{
			store.Entry{Position: 3, Record: store.Record{
				Kind: store.KindSettled, Event: daybook.Event{},
				Settlement: &store.Settlement{Position: 2, Destination: "statsig", Status: daybook.Failed, Reason: "r"},
			}},
			`{"kind":"settled","position":3,"settlement":{"position":2,"destination":"statsig","status":"failed","reason":"r"}}`,
		},
		{
			store.Entry{Position: 4, Record: store.Record{Kind: store.KindSummary, Summary: []store.Count{{Caller: "c", Status: daybook.Stored, Events: 9}}}},
			`{"kind":"summary","position":4,"summary":[{"caller":"c","status":"stored","events":9}]}`,
		},
		{
			store.Entry{Position: 5, Record: store.Record{
				Kind: store.KindRefused, Caller: "c", Event: daybook.Event{ID: "i", Name: "n"},
				Refusal: &store.Refusal{Destination: "d", Attempts: 2, Code: daybook.Invalid, Reason: "r", Field: "f", Message: "m"},
			}},
			`{"kind":"refused","position":5,"event":{"event_id":"i","event_name":"n","event_type":null,"actor_id":null,"event_ts":"0001-01-01T00:00:00Z",` +
				`"ingested_at":null,"caller":"c","protocol":null,"instance":null,"metadata":null},` +
				`"refusal":{"destination":"d","attempts":2,"code":"invalid","reason":"r","field":"f","message":"m"}}`,
		},
	} {
		got, err := appendRecord(nil, c.entry)
		if err != nil || string(got) != c.want {
			t.Errorf("got  %s, %v\nwant %s", got, err, c.want)
		}
	}
}

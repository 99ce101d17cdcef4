package serve_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"daybook.dev/gateway/internal/serve"
)

func TestADestinationIsReadOrRefusedWithThePlace(t *testing.T) {
	for name, test := range map[string]struct {
		file string
		want string // error text; "" = accepted
	}{
		"none":                      {"destinations:\n", ""},
		"one":                       {"destinations:\n  book:\n    type: postgres\n    url: postgres://db/x\n", ""},
		"one in flow style":         {"destinations: {book: {type: postgres, url: 'postgres://db/x'}}\n", ""},
		"a list of fields":          {"destinations: {book: {type: postgres, send: [event_id, event_name, event_ts]}}\n", ""},
		"a time to begin":           {"destinations: {book: {type: postgres, from: '2026-01-31T12:00:00Z'}}\n", ""},
		"a value for a destination": {"destinations: {book: postgres}\n", "daybook.yaml:1:16: destinations.book.type: is missing: it is one of " + words},
		"a value for all":           {"destinations: postgres\n", "daybook.yaml:1:15: destinations: must hold a name for each destination, and below it keys such as type"},
		"no type":                   {"destinations:\n  book:\n    url: x\n", "daybook.yaml:2:3: destinations.book.type: is missing: it is one of " + words},
		"a misspelt type":           {"destinations: {book: {type: postgress}}\n", `daybook.yaml:1:16: destinations.book.type: "postgress" is not one of: ` + words + "; did you mean postgres?"},
		"a misspelt key":            {"destinations:\n  book:\n    type: postgres\n    tabel: x\n", "daybook.yaml: destinations.book.tabel: unknown key at line 4, column 5; did you mean table?"},
		"a key of another type":     {"destinations:\n  book:\n    type: postgres\n    brokers: [x]\n", "daybook.yaml: destinations.book.brokers: unknown key at line 4, column 5"},
		"a wrong value":             {"destinations:\n  book:\n    type: postgres\n    wait_within: soon\n", `daybook.yaml:4:18: destinations.book.wait_within: "soon" is not a duration such as 10s, 24h or 7d`},
		"a wrong order":             {"destinations:\n  book:\n    type: postgres\n    order: id\n", `daybook.yaml:4:12: destinations.book.order: "id" is not one of: none, actor`},
		"a wrong beginning":         {"destinations:\n  book:\n    type: postgres\n    from: yesterday\n", `daybook.yaml:4:11: destinations.book.from: "yesterday" is not start, now or a time such as 2026-01-31T12:00:00Z`},
		"an empty field":            {"destinations:\n  book:\n    type: postgres\n    send: [event_id, '']\n", `daybook.yaml:4:11: destinations.book.send: "event_id," has an empty item`},
		"a wrong name":              {"destinations:\n  Book: {type: postgres}\n", "daybook.yaml:2:3: destinations.Book: a destination's name has small letters, digits, - and _, begins with a letter, and is not journal"},
		"the journal's name":        {"destinations:\n  journal: {type: postgres}\n", "daybook.yaml:2:3: destinations.journal: a destination's name has small letters, digits, - and _, begins with a letter, and is not journal"},
		"a misspelt section":        {"destination:\n  book: {type: postgres}\n", "daybook.yaml: destination: unknown key at line 1, column 1; did you mean destinations?"},
		"an unset variable":         {"destinations:\n  book: {type: postgres, url: '${NOWHERE}'}\n", "daybook.yaml:2:31: destinations.book.url: ${NOWHERE}: the environment variable is not set (write ${NOWHERE:-} for an empty default)"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := load(test.file, nil, nil)
			if got := errorText(err); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// words are the types there are.
const words = "daybook, kafka, nats, postgres, pubsub, spanner, statsig, webhook"

func TestADestinationHasItsDefaults(t *testing.T) {
	c, from, err := load("destinations: {book: {type: postgres, url: 'postgres://ann:secret@db/x', batch: {events: 7}}}\n", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"type": "postgres", "wait": "false", "wait_within": "2s", "from": "start", "where": "", "send": "",
		"batch.events": "7", "batch.bytes": "1MiB", "batch.age": "1s", "concurrency": "4", "order": "none", "timeout": "30s", "migrate": "false",
		"url": "********", "table": "daybook_events", "connections": "4",
	}
	found := 0
	for _, s := range c.Settings(from) {
		key, ok := strings.CutPrefix(s.Key, "destinations.book.")
		if !ok {
			continue
		}
		found++
		if text, known := want[key]; !known || s.Value != text {
			t.Errorf("%s is %q, want %q", s.Key, s.Value, text)
		}
	}
	if found != len(want) {
		t.Errorf("%d keys, want %d", found, len(want))
	}
}

func TestDestinationsThatCannotWorkAreRefused(t *testing.T) {
	const book, hook = "  book: {type: postgres, url: 'postgres://db/x'}\n", "  hook: {type: postgres, url: 'postgres://db/y'}\n"
	for name, test := range map[string]struct {
		file string
		want string // part of the only problem; "" = none
	}{
		"a destination as the store":         {"store: book\ndestinations:\n" + book, ""},
		"a store that is none":               {"store: spanner\n", `store: "spanner" (daybook.yaml:1:8) is neither journal nor the name of a destination: add destinations.spanner, or leave store out`},
		"a store that cannot confirm":        {"store: hook\ndestinations:\n  hook: {type: webhook, url: 'https://example.com'}\n", "store: hook is of type webhook, which does not keep events"},
		"a store that wants some":            {"store: book\ndestinations:\n  book: {type: postgres, url: 'postgres://db/x', where: 'true'}\n", "book is the store, so where, send and wait"},
		"a neighbour of the store":           {"store: book\ndestinations:\n" + book + hook, "destinations.hook (daybook.yaml:4:3): with store: book nothing is kept from which events could be delivered later: add wait: true to it, or store: journal"},
		"one that waits":                     {"store: book\ndestinations:\n" + book + "  hook: {type: postgres, url: 'postgres://db/y', wait: true}\n", ""},
		"dead letters beside the journal":    {"dead_letters: book\ndestinations:\n" + book, "dead letters are kept there: leave it out"},
		"dead letters nowhere":               {"store: book\ndead_letters: hok\ndestinations:\n" + book, `dead_letters: "hok" (daybook.yaml:2:15) is not the name of a destination`},
		"dead letters in the store":          {"store: book\ndead_letters: book\ndestinations:\n" + book, "dead_letters: book is the store: name another destination"},
		"an expression that is none":         {"destinations:\n  book: {type: postgres, url: 'postgres://db/x', where: 'event_nam == \"a\"'}\n", "event_name"},
		"an expression that decides nothing": {"destinations:\n  book: {type: postgres, url: 'postgres://db/x', where: 'event_name'}\n", "destinations.book"},
		"sending without what all need":      {"destinations:\n  book: {type: postgres, url: 'postgres://db/x', send: [event_id]}\n", "event_name"},
	} {
		t.Run(name, func(t *testing.T) {
			c, from, err := load(test.file, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			problems := c.Problems(from)
			if test.want == "" && len(problems) == 0 {
				return
			}
			if len(problems) != 1 || test.want == "" || !strings.Contains(problems[0].Error(), test.want) {
				t.Errorf("problems: %v, want %q", problems, test.want)
			}
		})
	}
}

// TestTheDocumentNamesEveryKey holds docs/destinations.md to the keys there are.
func TestTheDocumentNamesEveryKey(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs", "destinations.md"))
	if err != nil {
		t.Fatal(err)
	}
	for kind, keys := range serve.DestinationKeys() {
		_, section, found := strings.Cut(string(text), "\n## "+kind+"\n")
		if !found {
			t.Errorf("there is no section %q", kind)
			continue
		}
		section, _, _ = strings.Cut(section, "\n## ")
		for _, k := range keys {
			if !strings.Contains(section, "`"+k.Name+"`") {
				t.Errorf("%s: %s is not named", kind, k.Name)
			}
		}
	}
}

package serve_test

import (
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"strings"
	"testing"

	"daybook.dev/gateway/internal/serve"
)

const decides = `
redact:
  - field: metadata.email
    with: hash
    key: "${HASH_KEY}"
  - {field: actor_id, with: mask}
rules:
  - match: 'event_name.startsWith("debug-")'
    sample: 0.1
    by: actor_id
  - {name: orders, match: 'event_name == "order"', schema: order, on_mismatch: quarantine, sample: 0.5}
  - {match: 'event_type == "metric"', drop: true}
schemas:
  order: {type: object, required: [id], properties: {id: {type: string, pattern: '^o-[0-9]+$'}}}
  address: {file: address.json}
kill: {events: [heartbeat], callers: [anonymous]}
`

// loadDeciding loads a file beside which address.json is.
func loadDeciding(file string) (serve.Config, serve.Origins, error) {
	return serve.Load(serve.Inputs{
		Env: func(name string) (string, bool) {
			if name == "HASH_KEY" {
				return "canary-of-the-hash-key", true
			}
			return "", false
		},
		ReadFile: func(path string) ([]byte, error) {
			switch path {
			case serve.DefaultFile:
				return []byte(file), nil
			case "address.json":
				return []byte(`{"type":"object"}`), nil
			}
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		},
	})
}

func TestWhatIsDecidedOfEventsIsRead(t *testing.T) {
	c, from, err := loadDeciding(decides)
	if err != nil {
		t.Fatal(err)
	}
	if problems := c.Problems(from); len(problems) > 0 {
		t.Fatal(problems)
	}
	if want := []serve.Redaction{{Field: "metadata.email", With: "hash", Key: "canary-of-the-hash-key"}, {Field: "actor_id", With: "mask"}}; !reflect.DeepEqual(c.Redact, want) {
		t.Errorf("redact is %#v", c.Redact)
	}
	if r := c.Rules[0]; r.Match != `event_name.startsWith("debug-")` || r.Sample != 0.1 || r.By != "actor_id" || r.OnMismatch != "refuse" {
		t.Errorf("the first rule is %+v", r)
	}
	if r := c.Rules[1]; len(c.Rules) != 3 || r.Name != "orders" || r.Schema != "order" || r.OnMismatch != "quarantine" || r.By != "event_id" {
		t.Errorf("of %d rules the second is %+v", len(c.Rules), r)
	}
	if len(c.Schemas) != 2 || !strings.Contains(string(c.Schemas[0].Text), `"pattern":"^o-[0-9]+$"`) || string(c.Schemas[1].Text) != `{"type":"object"}` {
		t.Errorf("schemas are %+v", c.Schemas)
	}
	if c.Kill.Events != "heartbeat" || c.Kill.Callers != "anonymous" || from.Of("rules.2.name") != "daybook.yaml:11:12" {
		t.Errorf("kill is %+v; the name is from %s", c.Kill, from.Of("rules.2.name"))
	}
}

func TestWhatIsPrintedOfRulesLoadsAsTheSame(t *testing.T) {
	c, from, err := loadDeciding(decides)
	if err != nil {
		t.Fatal(err)
	}
	var yaml strings.Builder
	if err := c.WriteYAML(&yaml, from); err != nil {
		t.Fatal(err)
	}
	again, _, err := loadDeciding(strings.ReplaceAll(yaml.String(), "********", "${HASH_KEY}"))
	if err != nil || !reflect.DeepEqual(again, c) {
		t.Errorf("printed\n%s\nloads as %+v, %v\nwant %+v", yaml.String(), again, err, c)
	}
	if all := yaml.String() + fmt.Sprintf("%v %+v %#v %v", c, c, c, c.Settings(from)); strings.Contains(all, "canary") {
		t.Errorf("the key is in:\n%s", all)
	}
}

func TestWhatCannotBeDecidedIsRefusedWithThePlace(t *testing.T) {
	journal := "destinations: {book: {type: postgres, url: 'postgres://db/x'}}\n"
	for name, test := range map[string]struct{ file, want string }{
		"no list":                      {"rules: {drop: true}\n", "daybook.yaml:1:8: rules: must be a list: each element begins with a dash, and holds keys such as name"},
		"no mapping":                   {"rules: [drop]\n", "daybook.yaml:1:9: rules.1: must hold keys such as name"},
		"a misspelt key":               {"rules:\n  - mach: 'true'\n    drop: true\n", "daybook.yaml: rules.1.mach: unknown key at line 2, column 5; did you mean match?"},
		"a misspelt list":              {"rule: []\n", "daybook.yaml: rule: unknown key at line 1, column 1; did you mean rules?"},
		"a share of nothing":           {"rules:\n  - sample: 0\n", `daybook.yaml:2:13: rules.1.sample: "0" is not a share above 0 and up to 1, such as 0.1`},
		"a share of more":              {"rules:\n  - sample: 1.5\n", `daybook.yaml:2:13: rules.1.sample: "1.5" is not a share above 0 and up to 1, such as 0.1`},
		"a wrong word":                 {"redact:\n  - {field: actor_id, with: erase}\n", `daybook.yaml:2:29: redact.1.with: "erase" is not one of: remove, mask, hash`},
		"a wrong expression":           {"rules:\n  - {match: 'event_nam == \"a\"', drop: true}\n", "daybook.yaml:2:13: rules.1.match: column 1: there is no event_nam; did you mean event_name?"},
		"nothing to do":                {"rules:\n  - {match: 'true'}\n", "daybook.yaml:2:5: rules.1: says nothing about the events that it matches: add keep: true, drop: true, sample, schema, refuse or quarantine"},
		"two things at once":           {"rules:\n  - {drop: true, sample: 0.1}\n", "daybook.yaml:2:5: rules.1: says drop and sample, and can say one of them"},
		"one name twice":               {"rules:\n  - {drop: true}\n  - {name: rule-1, drop: true}\n", "daybook.yaml:3:12: rules.2.name: there are two rules of the name rule-1"},
		"a name that is no label":      {"rules:\n  - {name: A B, drop: true}\n", `daybook.yaml:2:12: rules.1.name: "A B": a rule's name has small letters, digits, - and _, and begins with a letter`},
		"no such schema":               {"schemas: {order: {type: object}}\nrules:\n  - {schema: oder}\n", "daybook.yaml:3:14: rules.1.schema: there is no schema oder; did you mean order?"},
		"mismatch of nothing":          {"rules:\n  - {drop: true, on_mismatch: quarantine}\n", "daybook.yaml:2:5: rules.1: on_mismatch is for rules with a schema"},
		"a lot for nothing":            {"rules:\n  - {drop: true, by: actor_id}\n", "daybook.yaml:2:5: rules.1: by is for rules with sample"},
		"a hash without key":           {"redact:\n  - {field: actor_id, with: hash}\n", "daybook.yaml:2:5: redact.1.key: with: hash needs a key of at least 16 bytes, such as openssl rand -hex 32 prints"},
		"a field that cannot be meant": {"redact:\n  - {field: email, with: mask}\n", `daybook.yaml:2:13: redact.1.field: "email" cannot be redacted: name actor_id, or a member such as metadata.email`},
		"a field twice":                {"redact:\n  - {field: actor_id, with: mask}\n  - {field: actor_id, with: remove}\n", "daybook.yaml:3:13: redact.2.field: actor_id is redacted by redact.1 already"},
		"no schema":                    {"schemas: {order: 7}\n", "daybook.yaml:1:18: schemas.order: must hold file: or the schema itself"},
		"a schema that is elsewhere":   {"schemas: {order: {file: nowhere.json}}\n", "daybook.yaml:1:11: schemas.order.file: open nowhere.json: file does not exist"},
		"a schema from the network":    {"schemas: {order: {$ref: 'https://example.com/x'}}\n", "daybook.yaml:1:11: schemas.order: failing loading \"https://example.com/x\": nothing is fetched"},
		"an unknown destination":       {journal + "kill: {destinations: [bok]}\n", "kill.destinations (daybook.yaml:2:22): there is no destination bok; did you mean book?"},
		"an unknown caller":            {"kill: {callers: [anonymus]}\n", "kill.callers (daybook.yaml:1:17): there is no caller anonymus; did you mean anonymous?"},
		"the store":                    {journal + "store: book\nkill: {destinations: [book]}\n", "kill.destinations (daybook.yaml:3:22): book is the store: name callers or events, or stop the gateway"},
		"no place for what is bad":     {journal + "store: book\nrules:\n  - {quarantine: 'no'}\n", "rules.1: quarantines events, and with store: book nothing is kept here: name a destination for them with dead_letters"},
	} {
		t.Run(name, func(t *testing.T) {
			c, from, err := loadDeciding(test.file)
			if err == nil {
				err = errors.Join(c.Problems(from)...)
			}
			if got := errorText(err); !strings.HasPrefix(got, test.want) {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestWhoeverOnlyLooksForTheGatewayNeedsNoKeyForHashing(t *testing.T) {
	in := serve.Inputs{NoDestinations: true, ReadFile: func(string) ([]byte, error) { return []byte(decides), nil }}
	if c, _, err := serve.Load(in); err != nil || c.Rules != nil || c.Redact != nil {
		t.Errorf("%+v, %v", c, err)
	}
}

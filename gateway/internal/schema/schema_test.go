package schema_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/schema"
)

const order = `{
	"type": "object",
	"required": ["id", "total"],
	"properties": {
		"id": {"type": "string", "pattern": "^o-[0-9]+$"},
		"total": {"type": "number", "minimum": 0, "multipleOf": 0.01},
		"mail": {"type": "string", "format": "email"},
		"plan": {"enum": ["free", "pro"]},
		"ship_to": {"$ref": "address"},
		"lines": {"type": "array", "items": {"type": "object", "properties": {"sku": {"type": "string", "maxLength": 4}}}},
		"by_mail": {"type": "object", "additionalProperties": {"type": "integer"}}
	},
	"additionalProperties": false
}`

const address = `{"type": "object", "required": ["city"], "properties": {"city": {"type": "string", "minLength": 2}}}`

func compiled(t testing.TB, text string) *schema.Schema {
	t.Helper()
	set, err := schema.Compile(map[string][]byte{"order": []byte(text), "address": []byte(address)})
	if err != nil {
		t.Fatal(err)
	}
	return set["order"]
}

// canary is what must never be repeated.
const canary = "canary@example.com"

func TestWhatDoesNotFitIsSaidWithoutRepeatingIt(t *testing.T) {
	s := compiled(t, order)
	for name, c := range map[string]struct{ metadata, field, message string }{
		"all is well":               {`{"id":"o-1","total":12.50,"mail":"a@b.de","plan":"pro","ship_to":{"city":"Bonn"},"lines":[{"sku":"B-22"}],"by_mail":{"x":1}}`, "", ""},
		"an exact decimal":          {`{"id":"o-1","total":100000000000000000000000000.01}`, "", ""},
		"a number beyond doubles":   {`{"id":"o-1","total":1e999999999}`, "", ""},
		"nothing":                   {``, "metadata", "it lacks id, total"},
		"a member is missing":       {`{"id":"o-1"}`, "metadata", "it lacks total"},
		"another type":              {`{"id":"o-1","total":"` + canary + `"}`, "metadata.total", "it is a string, and must be a number"},
		"another pattern":           {`{"id":"` + canary + `","total":1}`, "metadata.id", "it does not match the pattern ^o-[0-9]+$"},
		"another format":            {`{"id":"o-1","total":1,"mail":"` + canary + ` "}`, "metadata.mail", "it is not of the format email"},
		"another value":             {`{"id":"o-1","total":1,"plan":"` + canary + `"}`, "metadata.plan", "it is none of the values that the schema allows"},
		"too little":                {`{"id":"o-1","total":-1}`, "metadata.total", "it does not satisfy minimum"},
		"no multiple":               {`{"id":"o-1","total":0.001}`, "metadata.total", "it does not satisfy multipleOf"},
		"a member too much":         {`{"id":"o-1","total":1,"` + canary + `":2}`, "metadata", "it has 1 member that the schema does not allow"},
		"by another schema":         {`{"id":"o-1","total":1,"ship_to":{"city":"B"}}`, "metadata.ship_to.city", "it has fewer than 2 characters"},
		"an element":                {`{"id":"o-1","total":1,"lines":[{},{"sku":"` + canary + `"}]}`, "metadata.lines.1.sku", "it has more than 4 characters"},
		"below a name nobody knows": {`{"id":"o-1","total":1,"by_mail":{"` + canary + `":"x"}}`, "metadata.by_mail.*", "it is a string, and must be an integer"},
		"below a telephone number":  {`{"id":"o-1","total":1,"by_mail":{"4912345":"x"}}`, "metadata.by_mail.*", "it is a string, and must be an integer"},
	} {
		t.Run(name, func(t *testing.T) {
			err := s.Check([]byte(c.metadata))
			if c.message == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			want := c.field + " does not fit the schema order: " + c.message
			if err == nil || err.Field != c.field || err.Message != want {
				t.Fatalf("got %+v, want %s", err, want)
			}
			if text := fmt.Sprintf("%+v", err); strings.Contains(text, canary) || strings.Contains(text, "4912345") {
				t.Errorf("%s repeats what was sent", text)
			}
		})
	}
}

func TestASchemaThatCannotBeUsedIsRefusedByName(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret.json")
	if err := os.WriteFile(secret, []byte(`{"type":"object"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ text, want string }{
		"no JSON":               {`{"type":`, "is not JSON"},
		"no schema":             {`[]`, "is not a JSON Schema"},
		"no type":               {`{"type":"strnig"}`, ""},
		"no pattern":            {`{"pattern":"("}`, ""},
		"from the network":      {`{"$ref":"https://example.com/x.json"}`, "nothing is fetched"},
		"from a file":           {`{"$ref":"file://` + secret + `"}`, "nothing is fetched"},
		"another draft":         {`{"$schema":"https://example.com/draft"}`, "nothing is fetched"},
		"a schema nobody has":   {`{"$ref":"place"}`, "nothing is fetched"},
		"a part it has not":     {`{"$ref":"#/$defs/x"}`, ""},
		"more than can be read": {`{"title":"` + strings.Repeat("x", 1<<20) + `"}`, "the most are 1048576"},
	} {
		t.Run(name, func(t *testing.T) {
			set, err := schema.Compile(map[string][]byte{"order": []byte(c.text), "address": []byte(address)})
			e, ok := errors.AsType[*daybook.Error](err)
			if set != nil || !ok || e.Code != daybook.Invalid || e.Field != "order" || !strings.Contains(e.Message, c.want) || strings.Contains(e.Message, "daybook://") {
				t.Errorf("got %v, %v", set, err)
			}
		})
	}
}

func TestEveryDraftIsKnown(t *testing.T) {
	for _, draft := range []string{
		"http://json-schema.org/draft-04/schema#", "http://json-schema.org/draft-06/schema#", "http://json-schema.org/draft-07/schema#",
		"https://json-schema.org/draft/2019-09/schema", "https://json-schema.org/draft/2020-12/schema",
	} {
		s := compiled(t, `{"$schema":"`+draft+`","type":"object","properties":{"n":{"type":"integer"}}}`)
		if err := s.Check([]byte(`{"n":1}`)); err != nil {
			t.Errorf("%s: %v", draft, err)
		}
		if err := s.Check([]byte(`{"n":"1"}`)); err == nil {
			t.Errorf("%s takes anything", draft)
		}
	}
}

// TestACallerCannotKeepASchemaBusy sends what would take a checker very long: deep
// nesting where each level is looked at twice, many values to compare with each
// other, numbers of a million digits.
func TestACallerCannotKeepASchemaBusy(t *testing.T) {
	twice := `{"anyOf":[{"properties":{"a":{"$ref":"#"}},"required":["b"]},{"properties":{"a":{"$ref":"#"}},"required":["c"]}]}`
	unique := `{"properties":{"a":{"uniqueItems":true,"items":{"multipleOf":7}}}}`
	for name, c := range map[string]struct{ schema, metadata string }{
		"deep":         {twice, strings.Repeat(`{"a":`, 15) + `{}` + strings.Repeat(`}`, 15)},
		"deeper":       {twice, strings.Repeat(`{"a":`, 60) + `{}` + strings.Repeat(`}`, 60)},
		"many":         {unique, `{"a":[` + strings.Repeat(`1,`, 100_000) + `1]}`},
		"long numbers": {unique, `{"a":[` + strings.Repeat(`1e999999,`, 9000) + `-1e-999999]}`},
	} {
		t.Run(name, func(t *testing.T) {
			begin := time.Now()
			if err := compiled(t, c.schema).Check([]byte(c.metadata)); err == nil {
				t.Error("it fits")
			}
			if took := time.Since(begin); took > 5*time.Minute { // without the bounds: years
				t.Errorf("it took %v", took)
			}
		})
	}
}

func FuzzCheck(f *testing.F) {
	s := compiled(f, order)
	f.Add([]byte(`{"id":"o-1","total":1}`))
	f.Add([]byte(`{"id":1e400,"lines":[{"sku":[]}],"by_mail":{"` + canary + `":null}}`))
	f.Fuzz(func(t *testing.T, metadata []byte) {
		if err := s.Check(metadata); err != nil && (err.Field == "" || err.Message == "") {
			t.Fatalf("refused without saying why: %+v", err)
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	s := compiled(b, order)
	metadata := []byte(`{"id":"o-1","total":12.50,"mail":"a@b.de","plan":"pro","ship_to":{"city":"Bonn"},"lines":[{"sku":"B-22"},{"sku":"A-1"}]}`)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Check(metadata); err != nil {
			b.Fatal(err)
		}
	}
}

package admit_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"daybook.dev"
	"daybook.dev/gateway/internal/admit"
)

// hashKey must never be seen again.
const hashKey = "canary-of-the-hash-key-5a1f"

func hashed(text string) string {
	h := hmac.New(sha256.New, []byte(hashKey))
	h.Write([]byte(text))
	return hex.EncodeToString(h.Sum(nil))
}

func redactor(t testing.TB, fields ...admit.Redaction) *admit.Redactor {
	t.Helper()
	r, err := admit.NewRedactor(fields)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func removed(field string) admit.Redaction { return admit.Redaction{Field: field, With: admit.Remove} }

func masked(field string) admit.Redaction { return admit.Redaction{Field: field, With: admit.Mask} }

func hash(field string) admit.Redaction {
	return admit.Redaction{Field: field, With: admit.Hash, Key: []byte(hashKey)}
}

func TestMembersAreRedactedWhereverTheyAre(t *testing.T) {
	for name, c := range map[string]struct {
		redaction      admit.Redaction
		metadata, want string
	}{
		"removed":                      {removed("metadata.email"), `{"a":1.50,"email":"x","b":-0}`, `{"a":1.50,"b":-0}`},
		"the only member":              {removed("metadata.email"), `{"email":"x"}`, `{}`},
		"the first member":             {removed("metadata.email"), `{"email":"x","b":1e400}`, `{"b":1e400}`},
		"the last member":              {removed("metadata.email"), `{"b":[1, 2],"email":"x"}`, `{"b":[1, 2]}`},
		"a null is removed":            {removed("metadata.email"), `{"email":null}`, `{}`},
		"an object is removed":         {removed("metadata.user"), `{"user":{"email":"x"},"b":1}`, `{"b":1}`},
		"masked":                       {masked("metadata.email"), `{"email":"x","n":12345678901234567890}`, `{"email":"***","n":12345678901234567890}`},
		"a number is masked":           {masked("metadata.phone"), `{"phone":4912345}`, `{"phone":"***"}`},
		"an object is masked":          {masked("metadata.user"), `{"user":{"email":"x"}}`, `{"user":"***"}`},
		"a null stays":                 {masked("metadata.email"), `{"email":null}`, `{"email":null}`},
		"each element of a list":       {masked("metadata.emails"), `{"emails":["x",["y"],null]}`, `{"emails":["***",["***"],null]}`},
		"hashed":                       {hash("metadata.email"), `{"email":"ann@example.com"}`, `{"email":"` + hashed("ann@example.com") + `"}`},
		"escapes are no disguise":      {hash("metadata.email"), `{"em\u0061il":"\u0061nn@example.com"}`, `{"em\u0061il":"` + hashed("ann@example.com") + `"}`},
		"a number is hashed as it is":  {hash("metadata.n"), `{"n":1.0}`, `{"n":"` + hashed("1.0") + `"}`},
		"an object is hashed as it is": {hash("metadata.o"), `{"o":{"a":1}}`, `{"o":"` + hashed(`{"a":1}`) + `"}`},
		"inside an object":             {masked("metadata.user.email"), `{"user":{"email":"x","id":7},"email":"stays"}`, `{"user":{"email":"***","id":7},"email":"stays"}`},
		"inside of lists":              {masked("metadata.users.email"), `{"users":[{"email":"x"},[{"email":"y"}],3,{"id":1}]}`, `{"users":[{"email":"***"},[{"email":"***"}],3,{"id":1}]}`},
		"a name with a dot":            {masked("metadata.user.email"), `{"user.email":"x"}`, `{"user.email":"***"}`},
		"dots and objects":             {masked("metadata.a.b.c.d"), `{"a.b":{"c.d":"x"},"a":{"b.c":{"d":"y"},"b":1}}`, `{"a.b":{"c.d":"***"},"a":{"b.c":{"d":"***"},"b":1}}`},
		"a name twice":                 {removed("metadata.email"), `{"email":"x","email":"y"}`, `{}`},
		"an absent member":             {removed("metadata.email"), `{ "a" : 1 }`, `{ "a" : 1 }`},
		"a member of no object":        {removed("metadata.user.email"), `{"user":"x"}`, `{"user":"x"}`},
		"another case":                 {removed("metadata.email"), `{"Email":"x"}`, `{"Email":"x"}`},
		"spaces":                       {removed("metadata.b"), "{ \"a\" : [ 1 ] ,\n \"b\" : 2 }", `{"a" : [ 1 ]}`},
		"no metadata":                  {removed("metadata.b"), ``, ``},
		"what is no object":            {removed("metadata.b"), `["x"]`, ``},
		"what is cut off":              {removed("metadata.b"), `{"a":"x`, ``},
		"what the gateway notes":       {masked("metadata._eventLog.caller.principalEmail"), `{"_eventLog":{"caller":{"principalEmail":"x"}}}`, `{"_eventLog":{"caller":{"principalEmail":"***"}}}`},
	} {
		t.Run(name, func(t *testing.T) {
			e := daybook.Event{Metadata: []byte(c.metadata), Actor: "stays"}
			sent := e.Metadata
			redactor(t, c.redaction).Redact(&e)
			if string(e.Metadata) != c.want || e.Actor != "stays" {
				t.Errorf("metadata\n%s, want\n%s; actor %q", e.Metadata, c.want, e.Actor)
			}
			if string(sent) != c.metadata {
				t.Errorf("what was received became %s", sent)
			}
		})
	}
}

func TestAllRedactionsCount(t *testing.T) {
	e := daybook.Event{Actor: "ann", Metadata: []byte(`{"email":"a","phone":"b","user":{"name":"c","id":1},"n":1}`)}
	redactor(t, hash("actor_id"), removed("metadata.email"), masked("metadata.phone"), removed("metadata.user.name"), masked("metadata.absent")).Redact(&e)
	if want := `{"phone":"***","user":{"id":1},"n":1}`; string(e.Metadata) != want || e.Actor != hashed("ann") {
		t.Errorf("%s, actor %q", e.Metadata, e.Actor)
	}
}

func TestTheActorIsRedacted(t *testing.T) {
	for want, redaction := range map[string]admit.Redaction{"": removed("actor_id"), "***": masked("actor_id"), hashed("ann"): hash("actor_id")} {
		e := daybook.Event{Actor: "ann"}
		if redactor(t, redaction).Redact(&e); e.Actor != want {
			t.Errorf("%s: %q", redaction.With, e.Actor)
		}
		nobody := daybook.Event{}
		if redactor(t, redaction).Redact(&nobody); nobody.Actor != "" {
			t.Errorf("nobody became %q", nobody.Actor)
		}
	}
}

func TestWhatCannotBeMeantIsRefusedWithTheKeyAtFault(t *testing.T) {
	for name, c := range map[string]struct {
		redactions []admit.Redaction
		field      string
	}{
		"no field":        {[]admit.Redaction{removed("")}, "field"},
		"an id":           {[]admit.Redaction{removed("event_id")}, "field"},
		"all metadata":    {[]admit.Redaction{removed("metadata")}, "field"},
		"an empty name":   {[]admit.Redaction{removed("metadata.a..b")}, "field"},
		"an empty end":    {[]admit.Redaction{removed("metadata.")}, "field"},
		"a field twice":   {[]admit.Redaction{removed("metadata.a.b"), masked("metadata.a.b")}, "field"},
		"the actor twice": {[]admit.Redaction{removed("actor_id"), masked("actor_id")}, "field"},
		"no way":          {[]admit.Redaction{{Field: "actor_id"}}, "with"},
		"no key":          {[]admit.Redaction{{Field: "actor_id", With: admit.Hash}}, "key"},
		"a short key":     {[]admit.Redaction{{Field: "actor_id", With: admit.Hash, Key: []byte(hashKey)[:15]}}, "key"},
		"a needless key":  {[]admit.Redaction{{Field: "actor_id", With: admit.Mask, Key: []byte(hashKey)}}, "key"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := admit.NewRedactor(c.redactions)
			e, ok := errors.AsType[*daybook.Error](err)
			if r != nil || !ok || e.Code != daybook.Invalid || e.Field != c.field || e.Message == "" {
				t.Errorf("got %v, %+v", r, err)
			}
			if err != nil && strings.Contains(err.Error(), hashKey[:15]) {
				t.Errorf("the error has the key: %v", err)
			}
		})
	}
}

func TestNoRedactionsRedactNothing(t *testing.T) {
	e := daybook.Event{Actor: "ann", Metadata: []byte(`{"a":1}`)}
	if redactor(t).Redact(&e); e.Actor != "ann" || string(e.Metadata) != `{"a":1}` {
		t.Errorf("became %+v", e)
	}
}

// FuzzRedact holds that of valid JSON something valid is left, without what was
// to be redacted, with every number as it was written, and that doing it twice
// changes no more.
func FuzzRedact(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"email":"x"}`, `{"a":1e400,"email":["x",{"email":"y"}],"user":{"email":-0.10}}`, `{"user.email":"\ud83d\ude00","b":[1 , 2]}`,
		`{"em\u0061il":{"email":null}}`, ` { "users" : [ [ { "phone" : 1.0 } ] ] } `,
	} {
		f.Add([]byte(seed))
	}
	r := redactor(f, removed("metadata.email"), removed("metadata.user.email"), removed("metadata.users.phone"))
	f.Fuzz(func(t *testing.T, metadata []byte) {
		if jsontext.Value(metadata).Kind() != '{' || !jsontext.Value(metadata).IsValid() {
			return
		}
		e := daybook.Event{Metadata: metadata}
		r.Redact(&e)
		if !jsontext.Value(e.Metadata).IsValid() {
			t.Fatalf("%s became %s", metadata, e.Metadata)
		}
		left, all := tokens(t, e.Metadata), tokens(t, metadata)
		if !subsequence(left, all) {
			t.Fatalf("%s became %s: something is new, or written differently", metadata, e.Metadata)
		}
		var decoded any
		d := json.NewDecoder(bytes.NewReader(e.Metadata))
		d.UseNumber()
		if err := d.Decode(&decoded); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"email", "user.email", "users.phone"} {
			if reaches(decoded, path) {
				t.Fatalf("%s became %s, which has %s", metadata, e.Metadata, path)
			}
		}
		first := bytes.Clone(e.Metadata)
		if r.Redact(&e); !bytes.Equal(first, e.Metadata) {
			t.Fatalf("%s became %s the second time", first, e.Metadata)
		}
	})
}

// reaches reports whether there is something at the path, in the slowest of all
// ways.
func reaches(v any, path string) bool {
	switch v := v.(type) {
	case []any:
		return slices.ContainsFunc(v, func(element any) bool { return path != "" && reaches(element, path) })
	case map[string]any:
		for name, value := range v {
			if name == path {
				return true
			}
			if rest, ok := strings.CutPrefix(path, name+"."); ok && reaches(value, rest) {
				return true
			}
		}
	}
	return false
}

// tokens are the names, texts and numbers of a JSON text, as they are written.
func tokens(t *testing.T, text []byte) (all []string) {
	t.Helper()
	d := jsontext.NewDecoder(bytes.NewReader(text))
	for {
		token, err := d.ReadToken()
		if err != nil {
			return all
		}
		all = append(all, token.String())
	}
}

func subsequence(some, all []string) bool {
	for _, s := range all {
		if len(some) > 0 && some[0] == s {
			some = some[1:]
		}
	}
	return len(some) == 0
}

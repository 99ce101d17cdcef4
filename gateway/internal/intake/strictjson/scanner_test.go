package strictjson_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"daybook.dev/gateway/internal/intake/strictjson"
)

// read reads text as one value and returns its compact form.
func read(text []byte, levels int) (compact []byte, broken, flaw strictjson.Problem) {
	var s strictjson.Scanner
	s.Reset(text)
	compact = s.AppendValue(nil, levels)
	s.End()
	return compact, s.Broken(), s.Flaw()
}

func TestProblemsAreNamedWithTheirPlace(t *testing.T) {
	for text, want := range map[string]string{
		`{"a":1}`:                      "",
		`{"a":1,"b":{"a":1}}`:          "",
		"":                             "broken invalid_json 0 ends",
		`{"a"`:                         "broken invalid_json 4 ends",
		`{"a":"x`:                      "broken invalid_json 7 ends",
		`"\`:                           "broken invalid_json 2 ends",
		`tru`:                          "broken invalid_json 3 ends",
		`[1,2`:                         "broken invalid_json 4 ends",
		`[1 2]`:                        "broken invalid_json 3",
		`{"a":1}}`:                     "broken invalid_json 7",
		`{a:1}`:                        "broken invalid_json 1",
		`{"a":1,}`:                     "broken invalid_json 7",
		`[1,]`:                         "broken invalid_json 3",
		`[}`:                           "broken invalid_json 1",
		`{]`:                           "broken invalid_json 1",
		`01`:                           "broken invalid_json 1",
		"\"\x01\"":                     "broken invalid_json 1",
		`{"a":1,"a":2}`:                "flaw duplicate_name 7",
		`{"a":1,"\u0061":2}`:           "flaw duplicate_name 7",
		`[{"é":1,"\u00e9":2}]`:         "flaw duplicate_name 9",
		`{"":1,"":2}`:                  "flaw duplicate_name 6",
		"\"\xff\"":                     "flaw invalid_utf8 1",
		`"\ud800"`:                     "flaw lone_surrogate 1",
		`"\ud83dxxde00"`:               "flaw lone_surrogate 1",
		`"\udc00\ud800"`:               "flaw lone_surrogate 1",
		`[[[[[[1]]]]]]`:                "flaw too_deep 4",
		`[` + strings.Repeat("[", 1e4): "broken too_deep 1024",
	} {
		_, broken, flaw := read([]byte(text), 4)
		got := ""
		switch {
		case broken.Is():
			got = fmt.Sprintf("broken %s %d", broken.Reason, broken.Offset)
			if broken.Ends {
				got += " ends"
			}
		case flaw.Is():
			got = fmt.Sprintf("flaw %s %d", flaw.Reason, flaw.Offset)
		}
		if got != want {
			t.Errorf("%.40q: got %q, want %q", text, got, want)
		}
	}
}

func TestBlanksBetweenTokensAreLeftOutAndNothingElse(t *testing.T) {
	text := " \t{ \"a b\" :\r\n[ 1.50 , -0e+1,\t\"x  y\\u0000\" ,{ } , [\n] ] , \"c\":null }\n"
	want := `{"a b":[1.50,-0e+1,"x  y\u0000",{},[]],"c":null}`
	if got, broken, flaw := read([]byte(text), 64); string(got) != want || broken.Is() || flaw.Is() {
		t.Errorf("got %s (%v, %v), want %s", got, broken, flaw, want)
	}
}

func TestMembersAreReadOneByOne(t *testing.T) {
	var s strictjson.Scanner
	s.Reset([]byte(` { "id" : "x\n\ud83d\ude00" , "n\u0061me":{"a":1,"b":[2]},"n":-1.5 } `))
	object := s.EnterObject()
	var got []string
	for {
		name, more := s.Member()
		if !more {
			break
		}
		if s.Kind() == '"' {
			got = append(got, fmt.Sprintf("%s %s text %s", name, s.QuotedName(), s.Text()))
			continue
		}
		quoted := string(s.QuotedName())
		got = append(got, fmt.Sprintf("%s %s kind %c %s", name, quoted, s.Kind(), s.AppendValue(nil, 8)))
	}
	s.End()
	want := []string{"id \"id\" text x\n😀", `name "n\u0061me" kind { {"a":1,"b":[2]}`, `n "n" kind 0 -1.5`}
	if strings.Join(got, "|") != strings.Join(want, "|") || s.Broken().Is() || s.Flaw().Is() {
		t.Errorf("got %q (%v, %v), want %q", got, s.Broken(), s.Flaw(), want)
	}
	if !s.Has(object, []byte("name")) || s.Has(object, []byte("a")) || s.Has(object+1, []byte("n")) {
		t.Error("the names of an object are not its members' names")
	}
}

func TestElementsStandForThemselves(t *testing.T) {
	var s strictjson.Scanner
	s.Reset([]byte(`[{"a":1,"a":2},{"a":3},"\ud800",4]`))
	s.EnterArray()
	var flaws []string
	for s.Element() {
		s.Forget()
		s.AppendValue(nil, 8)
		flaws = append(flaws, s.Flaw().Reason)
	}
	s.End()
	if got := strings.Join(flaws, "|"); got != "duplicate_name||lone_surrogate|" || s.Broken().Is() {
		t.Errorf("flaws %q, broken %v", got, s.Broken())
	}
}

func TestDuplicatesAreFoundAmongManyNames(t *testing.T) {
	for _, n := range []int{1, 31, 32, 33, 64, 65, 1_000, 50_000} {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"name-%d":{"name-%d":0},`, i, i)
		}
		object := "{" + b.String() + `"%s":1}`
		if _, broken, flaw := read(fmt.Appendf(nil, object, "name-x"), 8); broken.Is() || flaw.Is() {
			t.Errorf("%d different names: %v, %v", n, broken, flaw)
		}
		for _, again := range []int{0, n / 2, n - 1} {
			name := fmt.Sprintf(`name\u002d%d`, again)
			_, _, flaw := read(fmt.Appendf(nil, object, name), 8)
			if flaw.Reason != strictjson.DuplicateName || flaw.Name != fmt.Sprintf("name-%d", again) {
				t.Errorf("name %d of %d again: %+v", again, n, flaw)
			}
		}
	}
}

// FuzzSameVerdictAsJSONText compares with another implementation of the same
// rules: what it accepts we accept, and its compact form is ours.
func FuzzSameVerdictAsJSONText(f *testing.F) {
	for _, seed := range []string{
		sample, `{"a":[1,2.5e-3,"\u00e9\ud83d\ude00",null,true,false,{}]}`, `{"a":1,"a":2}`, `{"\u0061":1,"a":2}`,
		`"\ud800"`, "\"\xff\"", ` [ ] `, `01`, `-0.0E+1`, `"\/"`, `1 2`, `[[[[[[`, `{"a":{"b":{"c":[{}]}}}`, "\"a\x00\"", `"\u12`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if bytes.Count(text, []byte("["))+bytes.Count(text, []byte("{")) > 1_000 {
			t.Skip("may nest deeper than we read and jsontext does")
		}
		before := bytes.Clone(text)
		compact, broken, flaw := read(text, 1_000)
		theirs := jsontext.Value(bytes.Clone(text))
		err := theirs.Compact()
		valid := err == nil && jsontext.Value(text).IsValid()
		if valid == (broken.Is() || flaw.Is()) {
			t.Fatalf("%q: jsontext says %v, we say %+v, %+v", text, err, broken, flaw)
		}
		if valid && !bytes.Equal(compact, theirs) {
			t.Fatalf("%q: jsontext has %s, we have %s", text, theirs, compact)
		}
		if !bytes.Equal(text, before) {
			t.Fatal("reading changed the text")
		}
	})
}

// FuzzTextIsDecodedAsJSONTextDoes compares decoded strings.
func FuzzTextIsDecodedAsJSONTextDoes(f *testing.F) {
	for _, seed := range []string{`"a"`, `"\u00e9\n\\\/\b\f\r\t\""`, `"\ud83d\ude00"`, `"é😀"`, `"\u0000"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var s strictjson.Scanner
		s.Reset(text)
		got := s.Text()
		s.End()
		want, err := jsontext.AppendUnquote(nil, bytes.Trim(text, " \t\r\n"))
		if (err == nil) == (s.Broken().Is() || s.Flaw().Is()) {
			t.Fatalf("%q: jsontext says %v, we say %v, %v", text, err, s.Broken(), s.Flaw())
		}
		if err == nil && !bytes.Equal(got, want) {
			t.Fatalf("%q: jsontext has %q, we have %q", text, want, got)
		}
	})
}

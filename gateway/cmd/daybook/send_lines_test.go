package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"daybook.dev"
)

func TestLinesAreReadOneByOne(t *testing.T) {
	long := strings.Repeat("x", maxLine)
	input := "\n{\"event_id\":\"a\"}\r\n \t\n" + long + "\n" + long + "y\n{\"event_id\":\"b\"}"
	for _, r := range []io.Reader{strings.NewReader(input), iotest.DataErrReader(strings.NewReader(input))} {
		var got []string
		for l, err := range readLines("f", r) {
			if err != nil {
				t.Fatal(err)
			}
			text := string(l.text)
			if e, ok := errors.AsType[*daybook.Error](l.err); ok {
				text = e.Reason
			}
			if len(text) > 20 {
				text = "long"
			}
			got = append(got, l.String()+" "+text)
		}
		want := "f:2 {\"event_id\":\"a\"}|f:4 line_too_long|f:5 line_too_long|f:6 {\"event_id\":\"b\"}"
		if strings.Join(got, "|") != want {
			t.Errorf("read %q, want %q", got, want)
		}
	}
}

func TestReadingStopsWithTheError(t *testing.T) {
	broken := errors.New("the disk is gone")
	r := io.MultiReader(strings.NewReader("{\"event_id\":\"a\"}\nhalf"), iotest.ErrReader(broken))
	var lines int
	for l, err := range readLines("", r) {
		if err != nil {
			if !errors.Is(err, broken) || l.number != 2 {
				t.Errorf("line %d: %v", l.number, err)
			}
			continue
		}
		lines++
	}
	if lines != 1 {
		t.Errorf("%d lines, want 1: half a line is none", lines)
	}
}

func TestLongLinesAreNotKept(t *testing.T) {
	in := bufio.NewReaderSize(io.LimitReader(endless{}, 100<<20), 64<<10)
	allocated := testing.AllocsPerRun(1, func() { _, _ = readLine(in, maxLine) })
	if allocated > 50 {
		t.Errorf("%v allocations for a line of 50 MB", allocated)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestStampGivesAnIDAndChangesNothingElse(t *testing.T) {
	var s stamper
	for _, c := range []struct{ name, event, before, after string }{
		{"without an id", `{"event_name":"a", "n":1.0}`, `{"event_name":"a", "n":1.0,"event_id":"`, `"}`},
		{"an empty object", `{ }`, `{ "event_id":"`, `"}`},
		{"an empty id", `{"event_id":"","n":1}`, `{"event_id":"`, `","n":1}`},
		{"null for an id", `{"n":1,"event_id" : null }`, `{"n":1,"event_id" : "`, `" }`},
		{"an id deeper down", `{"metadata":{"event_id":"x"}}`, `{"metadata":{"event_id":"x"},"event_id":"`, `"}`},
		{"what the gateway refuses", `{"a":1,"a":"` + "\xff" + `"}`, `{"a":1,"a":"` + "\xff" + `","event_id":"`, `"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := string(s.stamp([]byte(c.event)))
			id, ok := strings.CutPrefix(got, c.before)
			id, ok2 := strings.CutSuffix(id, c.after)
			if !ok || !ok2 || len(id) != 36 {
				t.Errorf("%s became %s", c.event, got)
			}
			if again := string(s.stamp([]byte(got))); again != got {
				t.Errorf("stamped again: %s", again)
			}
		})
	}
	for _, event := range []string{`{"event_id":"mine"}`, `{"event_id":7}`, `[]`, `{"a":`, `{"a":1`, `{"a" 1}`, `x`, ``, `{"a":1}}`[:7]} {
		if got := string(s.stamp([]byte(event))); got != event && json.Valid([]byte(event)) != json.Valid([]byte(got)) {
			t.Errorf("%q became %q", event, got)
		}
	}
	if got := string(s.stamp([]byte(`{"event_id":"mine"}`))); got != `{"event_id":"mine"}` {
		t.Errorf("an id was replaced: %s", got)
	}
}

func FuzzStamp(f *testing.F) {
	for _, seed := range []string{`{}`, `{"event_id":null}`, `{"a":[1,{"event_id":"x"}]}`, `{"a":1}x`, `[`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, event []byte) {
		var s stamper
		stamped := s.stamp(append([]byte{}, event...))
		if json.Valid(event) != json.Valid(stamped) {
			t.Fatalf("%q became %q", event, stamped)
		}
		var was, is map[string]json.RawMessage
		if json.Unmarshal(event, &was) != nil || json.Unmarshal(stamped, &is) != nil {
			return
		}
		delete(is, "event_id")
		delete(was, "event_id")
		if len(is) != len(was) {
			t.Fatalf("%q became %q", event, stamped)
		}
	})
}

package attrs_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"daybook.dev/internal/attrs"
)

func object(list ...slog.Attr) (text string, replaced int) {
	var o attrs.Object
	o.Add(list)
	text = string(o.AppendTo(nil))
	return text, o.Replaced
}

type valuer struct{ v slog.Value }

func (v valuer) LogValue() slog.Value { return v.v }

type panics struct{}

func (panics) LogValue() slog.Value         { panic("boom") }
func (panics) MarshalJSON() ([]byte, error) { panic("boom") }

type endless struct{}

func (e endless) LogValue() slog.Value { return slog.AnyValue(e) }

type marshalPanics struct{}

func (marshalPanics) MarshalJSON() ([]byte, error) { panic("boom") }

type nilError struct{ text string }

func (e *nilError) Error() string { return e.text }

func TestAttributesBecomeOneObject(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 600, time.FixedZone("", 3600))
	for _, c := range []struct {
		name     string
		attrs    []slog.Attr
		want     string
		replaced int
	}{
		{"no attributes make no object", nil, "", 0},
		{"the ordinary kinds", []slog.Attr{
			slog.String("s", "a"), slog.Int("i", -1), slog.Uint64("u", math.MaxUint64), slog.Float64("f", 1.5), slog.Bool("b", true),
		}, `{"s":"a","i":-1,"u":18446744073709551615,"f":1.5,"b":true}`, 0},
		{
			"a duration is nanoseconds, a time RFC 3339",
			[]slog.Attr{slog.Duration("d", time.Second), slog.Time("t", at)},
			`{"d":1000000000,"t":"2026-01-02T03:04:05.0000006+01:00"}`, 0,
		},
		{
			"floats read back as themselves",
			[]slog.Attr{slog.Float64("a", 1e21), slog.Float64("b", 1e-7), slog.Float64("c", 0.1), slog.Float64("d", 1e20)},
			`{"a":1e+21,"b":1e-07,"c":0.1,"d":100000000000000000000}`, 0,
		},
		{
			"what is no number is null and counted",
			[]slog.Attr{slog.Float64("n", math.NaN()), slog.Float64("p", math.Inf(1)), slog.Float64("m", math.Inf(-1))},
			`{"n":null,"p":null,"m":null}`, 3,
		},
		{"groups nest", []slog.Attr{slog.Group("g", slog.Int("a", 1), slog.Group("h", slog.Int("b", 2)))}, `{"g":{"a":1,"h":{"b":2}}}`, 0},
		{"a group without a key is taken apart", []slog.Attr{slog.Group("", slog.Int("a", 1), slog.Int("b", 2))}, `{"a":1,"b":2}`, 0},
		{"an empty group is left out", []slog.Attr{slog.Group("g")}, "", 0},
		{"a group may hold the names of the event", []slog.Attr{slog.Group("g", slog.String("event_id", "x"))}, `{"g":{"event_id":"x"}}`, 0},
		{"an attribute without a key is left out", []slog.Attr{slog.Int("", 1), slog.Int("a", 2)}, `{"a":2}`, 0},
		{"of one key the later wins", []slog.Attr{slog.Int("a", 1), slog.Int("b", 2), slog.Int("a", 3)}, `{"a":3,"b":2}`, 0},
		{"also inside a group, which knows nothing of the keys outside", []slog.Attr{
			slog.Int("a", 1), slog.Group("g", slog.Int("a", 2), slog.Int("a", 3)), slog.Int("b", 4),
		}, `{"a":1,"g":{"a":3},"b":4}`, 0},
		{"the event's own members are not attributes", []slog.Attr{
			slog.String("event_id", "x"), slog.String("event_name", "x"), slog.String("event_type", "x"), slog.String("event_time", "x"), slog.Int("a", 1),
		}, `{"a":1}`, 0},
		{"texts are escaped and no more", []slog.Attr{slog.String("k\"", "\\\n\x00<&>é😀\u2028")}, `{"k\"":"\\\u000a\u0000<&>é😀` + "\u2028" + `"}`, 0},
		{"what is not UTF-8 is replaced and counted", []slog.Attr{slog.String("a", "x\xff\xfey")}, "{\"a\":\"x\ufffd\ufffdy\"}", 2},
		{"an error is its text", []slog.Attr{slog.Any("err", errors.New("no"))}, `{"err":"no"}`, 0},
		{"a LogValuer is asked", []slog.Attr{slog.Any("v", valuer{slog.IntValue(7)})}, `{"v":7}`, 0},
		{"and asked again", []slog.Attr{slog.Any("v", valuer{slog.AnyValue(valuer{slog.GroupValue(slog.Int("a", 1))})})}, `{"v":{"a":1}}`, 0},
		{"a LogValuer that panics says so", []slog.Attr{slog.Any("v", panics{})}, `{"v":"!PANIC: LogValue"}`, 1},
		{"one without end says so", []slog.Attr{slog.Any("v", endless{})}, `{"v":"!ERROR: LogValue called too many times"}`, 1},
		{"a marshaler that panics says so", []slog.Attr{slog.Any("v", marshalPanics{}), slog.Int("a", 1)}, `{"v":"!PANIC: attrs_test.marshalPanics","a":1}`, 1},
		{"an error that panics says so", []slog.Attr{slog.Any("v", (*nilError)(nil))}, `{"v":"!PANIC: *attrs_test.nilError"}`, 1},
		{"what has no JSON says so", []slog.Attr{slog.Any("v", make(chan int))}, `{"v":"!ERROR: json: unsupported type: chan int"}`, 1},
		{"maps and slices are JSON", []slog.Attr{slog.Any("m", map[string]any{"b": 1, "a": []int{1, 2}}), slog.Any("n", nil)}, `{"m":{"a":[1,2],"b":1},"n":null}`, 0},
		{"raw JSON stays as written", []slog.Attr{slog.Any("r", json.RawMessage(`{"n":12345678901234567890.10}`))}, `{"r":{"n":12345678901234567890.10}}`, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, replaced := object(c.attrs...)
			if got != c.want || replaced != c.replaced {
				t.Errorf("got  %s, %d replaced\nwant %s, %d", got, replaced, c.want, c.replaced)
			}
			if got != "" && !json.Valid([]byte(got)) {
				t.Error("that is not JSON")
			}
		})
	}
}

func TestGroupsWithoutEndEndInNull(t *testing.T) {
	a := slog.Int("a", 1)
	for range 100 {
		a = slog.Group("g", a)
	}
	got, replaced := object(a)
	if !json.Valid([]byte(got)) || replaced != 1 || strings.Count(got, "{") > 64 {
		t.Errorf("%d levels, %d replaced", strings.Count(got, "{"), replaced)
	}
}

func TestFieldsKeepNothingOfTheCaller(t *testing.T) {
	m := map[string]int{"a": 1}
	fields, replaced := attrs.Fields([]slog.Attr{slog.Any("m", m), slog.String("actor_id", "ann"), slog.Int("a", 1), slog.Float64("n", math.NaN())})
	m["a"] = 2

	var o attrs.Object
	o.AddFields(fields)
	o.Add([]slog.Attr{slog.Int("a", 2)})
	if got, want := string(o.AppendTo(nil)), `{"m":{"a":1},"actor_id":"ann","a":2,"n":null}`; got != want || replaced != 1 {
		t.Errorf("got %s, %d replaced\nwant %s", got, replaced, want)
	}
	if got := o.Text("actor_id"); got != "ann" {
		t.Errorf("text %q, want ann", got)
	}
	if got := o.Text("a") + o.Text("absent"); got != "" {
		t.Errorf("what is no text gave %q", got)
	}
	merged := attrs.Merge(fields, []attrs.Field{{Key: "m", JSON: []byte("0")}})
	if len(merged) != 4 || string(merged[0].JSON) != "0" || string(fields[0].JSON) != `{"a":1}` {
		t.Errorf("merged %s, the fields before it %s", merged[0].JSON, fields[0].JSON)
	}
}

func TestManyKeysAreStillToldApart(t *testing.T) {
	var list []slog.Attr
	for round := range 2 {
		for i := range 300 {
			list = append(list, slog.Int("key"+string(rune('a'+i%26))+string(rune('a'+i/26)), round))
		}
	}
	got, _ := object(list...)
	if strings.Count(got, ":1") != 300 || strings.Contains(got, ":0") {
		t.Errorf("300 keys twice gave %s", got)
	}
}

func TestFiveAttributesNoAlloc(t *testing.T) {
	var o attrs.Object
	var b []byte
	list := []slog.Attr{slog.String("plan", "pro"), slog.Int("seats", 3), slog.Bool("sso", true), slog.Float64("ms", 1.25), slog.Duration("took", time.Second)}
	allocs := testing.AllocsPerRun(100, func() {
		o.Reset()
		o.Add(list)
		b = o.AppendTo(b[:0])
	})
	if allocs != 0 {
		t.Errorf("%v allocations, want 0", allocs)
	}
}

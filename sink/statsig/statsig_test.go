package statsig_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/sink/sinktest"
	"daybook.dev/sink/statsig"
)

// forward writes one event and returns it as Statsig has it, and whether it was
// counted as truncated.
func forward(t *testing.T, c statsig.Config, e daybook.Event) (logged, bool) {
	t.Helper()
	service := newService(t)
	c.URL = service.URL
	s := open(t, c)
	if err := s.Write(t.Context(), []daybook.Event{e}); err != nil {
		t.Fatal(err)
	}
	return service.logged()[0], s.Truncated() == 1
}

func TestAnEventIsMapped(t *testing.T) {
	e := daybook.Event{
		ID: "order-1", Name: "order-paid", Type: daybook.Behavioral, Actor: "ann", Time: time.UnixMilli(1_795_000_000_123).Add(999 * time.Microsecond),
		Metadata: []byte(`{"plan":"pro\u0021","seats":3,"big":12345678901234567890.000,"trial":false,"none":null,` +
			`"details":{"a": [1, {"_eventLog":"x"}]},"event_id":"theirs","event_type":"theirs","actor_id":"theirs","_event\u004cog":{"caller":"secret"}}`),
		IdempotencyKey: "key-1", SampleRate: 0.5,
	}
	got, cut := forward(t, statsig.Config{}, e)
	const want = `{"event_id":"order-1","event_type":"behavioral","actor_id":"ann","plan":"pro!","seats":"3","big":"12345678901234567890.000",` +
		`"trial":"false","none":"null","details":"{\"a\":[1,{\"_eventLog\":\"x\"}]}"}`
	if got.text != want {
		t.Errorf("metadata\n got %s\nwant %s", got.text, want)
	}
	if got.EventName != "order-paid" || got.Time != 1_795_000_000_123 || len(got.User) != 1 || got.User["userID"] != "service:events" || cut {
		t.Errorf("got %+v, truncated %v", got, cut)
	}
}

func TestWhatTheEventDoesNotSayTheMetadataMay(t *testing.T) {
	got, _ := forward(t, statsig.Config{Principal: "service:shop \"1\""}, daybook.Event{ID: "a", Name: "n", Metadata: []byte(`{"event_type":"theirs","actor_id":7}`)})
	if want := `{"event_id":"a","event_type":"theirs","actor_id":"7"}`; got.text != want {
		t.Errorf("metadata is %s, want %s", got.text, want)
	}
	if got.User["userID"] != "service:shop \"1\"" {
		t.Errorf("user is %v", got.User)
	}
	if age := time.Since(time.UnixMilli(got.Time)); age < -time.Second || age > time.Minute {
		t.Errorf("without a time, time is %d", got.Time)
	}
}

func TestTooMuchIsCutAndCounted(t *testing.T) {
	long := strings.Repeat("x", 5000)
	many := make([]string, 1000)
	for i := range many {
		many[i] = fmt.Sprintf(`"member-%d":%d`, i, i)
	}
	for _, c := range []struct {
		name  string
		event daybook.Event
		check func(got logged) bool
		cut   bool
	}{
		{"a name of 64 characters stays", daybook.Event{Name: long[:64]}, func(got logged) bool { return got.EventName == long[:64] }, false},
		{"of 65 one goes", daybook.Event{Name: long[:65]}, func(got logged) bool { return got.EventName == long[:64] }, true},
		{"escapes are no characters of a name", daybook.Event{Name: strings.Repeat("\n", 64)}, func(got logged) bool { return got.EventName == strings.Repeat("\n", 64) }, false},
		{"a character of two halves is not cut in two", daybook.Event{Name: long[:63] + "🎉"}, func(got logged) bool { return got.EventName == long[:63] }, true},
		{
			"the longest text goes first",
			daybook.Event{Metadata: []byte(`{"a":"short","long":"` + long + `","z":"short"}`)},
			func(got logged) bool {
				return got.Metadata["a"] == "short" && got.Metadata["z"] == "short" && units(got.text) == 4096
			}, true,
		},
		{
			"two long ones share",
			daybook.Event{Metadata: []byte(`{"a":"` + long + `","b":"` + long[:3000] + `"}`)},
			func(got logged) bool {
				return units(got.text) > 4096-3 && len(got.Metadata["a"]) == len(got.Metadata["b"])
			}, true,
		},
		{
			"an escape is not cut in two",
			daybook.Event{Metadata: []byte(`{"a":"` + strings.Repeat(`\u0001`, 2000) + `"}`)},
			func(got logged) bool {
				return units(got.text) > 4096-6 && strings.Trim(got.Metadata["a"], "\x01") == ""
			}, true,
		},
		{
			"a character of four bytes is not cut in two",
			daybook.Event{Metadata: []byte(`{"a":"` + strings.Repeat(`🎉`, 3000) + `"}`)},
			func(got logged) bool {
				return units(got.text) > 4096-2 && strings.Trim(got.Metadata["a"], "🎉") == ""
			}, true,
		},
		{
			"of too many members the first stay",
			daybook.Event{Metadata: []byte(`{` + strings.Join(many, ",") + `}`)},
			func(got logged) bool {
				return len(got.Metadata) > 200 && got.Metadata["member-10"] == "10" && got.Metadata["member-999"] == ""
			}, true,
		},
		{
			"a name that is too long goes",
			daybook.Event{Metadata: []byte(`{"a":1,"` + long + `":2,"b":3}`)},
			func(got logged) bool {
				return got.Metadata["a"] == "1" && got.Metadata["b"] == "3" && len(got.Metadata) == 3
			}, true,
		},
		{
			"the id stays whole",
			daybook.Event{ID: strings.Repeat("\x01", 256), Metadata: []byte(`{"a":"` + long + `"}`)},
			func(got logged) bool { return got.Metadata["event_id"] == strings.Repeat("\x01", 256) }, true,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.event.ID == "" {
				c.event.ID = "e"
			}
			if c.event.Name == "" {
				c.event.Name = "n"
			}
			got, cut := forward(t, statsig.Config{}, c.event)
			if !c.check(got) {
				t.Errorf("arrived as %q with %d characters of metadata: %.300s", got.EventName, units(got.text), got.text)
			}
			if cut != c.cut {
				t.Errorf("counted as truncated: %v", cut)
			}
		})
	}
	t.Run("what was not taken is not counted", func(t *testing.T) {
		service := newService(t)
		service.answers(http.StatusBadGateway, "")
		s := open(t, statsig.Config{URL: service.URL})
		if err := s.Write(t.Context(), []daybook.Event{{ID: "e", Name: long}}); err == nil || s.Truncated() != 0 {
			t.Errorf("%v, and %d counted", err, s.Truncated())
		}
	})
}

func TestASuccessSaysSo(t *testing.T) {
	for _, c := range []struct {
		status int
		text   string
		code   daybook.Code
	}{
		{202, `{"success":true}`, daybook.OK},
		{200, ` {"success": true, "more": []} `, daybook.OK},
		{202, `{"success":false}`, daybook.Invalid},
		{202, ``, daybook.Unimplemented},
		{202, `{}`, daybook.Unimplemented},
		{200, `<html>Welcome to the hotel</html>`, daybook.Unimplemented},
		{200, `{"success":"true"}`, daybook.Unimplemented},
		{401, `{"success":true}`, daybook.Unauthenticated},
	} {
		t.Run(fmt.Sprint(c.status, c.text), func(t *testing.T) {
			service := newService(t)
			service.answers(c.status, c.text)
			err := open(t, statsig.Config{URL: service.URL}).Write(t.Context(), sinktest.Events("e", 2))
			if code := daybook.CodeOf(err); code != c.code {
				t.Errorf("error is %v (%v), want %v", err, code, c.code)
			}
		})
	}
}

func TestAWrongKeyCallsForAPerson(t *testing.T) {
	err := open(t, statsig.Config{URL: newService(t).URL, Key: "secret-of-somebody-else"}).Write(t.Context(), sinktest.Events("e", 1))
	if daybook.CodeOf(err) != daybook.Unauthenticated {
		t.Errorf("error is %v, want unauthenticated", err)
	}
	sinktest.CheckText(t, err, "secret-of-somebody-else")
}

func TestBodiesAreGzippedUnlessPlain(t *testing.T) {
	for _, plain := range []bool{false, true} {
		service := newService(t)
		if err := open(t, statsig.Config{URL: service.URL + "/", Plain: plain}).Write(t.Context(), sinktest.Events("e", 1)); err != nil {
			t.Fatal(err)
		}
		if got := service.requests[0].Get("Content-Encoding"); (got == "") != plain {
			t.Errorf("plain %v: Content-Encoding is %q", plain, got)
		}
	}
}

func TestWhatCannotBeForwardedIsNamed(t *testing.T) {
	good := daybook.Event{ID: "good", Name: "n"}
	for _, c := range []struct {
		name, field, reason string
		event               daybook.Event
	}{
		{"no id", "event_id", "blank_text", daybook.Event{Name: "n"}},
		{"no name", "event_name", "blank_name", daybook.Event{ID: "e"}},
		{"an id that would be cut", "event_id", "text_too_long", daybook.Event{ID: strings.Repeat("x", 257), Name: "n"}},
		{"a name that is no UTF-8", "event_name", "invalid_utf8", daybook.Event{ID: "e", Name: "canary\xff"}},
		{"an actor that is no UTF-8", "actor_id", "invalid_utf8", daybook.Event{ID: "e", Name: "n", Actor: "canary\xff"}},
		{"metadata that is no JSON", "metadata", "invalid_json", daybook.Event{ID: "e", Name: "n", Metadata: []byte(`{"canary"`)}},
		{"metadata that is no object", "metadata", "wrong_type", daybook.Event{ID: "e", Name: "n", Metadata: []byte(`"canary"`)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			service := newService(t)
			err := open(t, statsig.Config{URL: service.URL}).Write(t.Context(), []daybook.Event{c.event, good})
			partial, ok := errors.AsType[*daybook.PartialError](err)
			if !ok || len(partial.Failed) != 1 || partial.Failed[0].ID != c.event.ID || partial.Failed[0].Status != daybook.Refused {
				t.Fatalf("error is %v", err)
			}
			if e, _ := errors.AsType[*daybook.Error](err); e.Code != daybook.Invalid || e.Field != c.field || e.Reason != c.reason {
				t.Errorf("error is %#v, want %s of %s", e, c.reason, c.field)
			}
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("the error shows content: %v", err)
			}
			if got := service.logged(); len(got) != 1 || got[0].Metadata["event_id"] != "good" {
				t.Errorf("arrived: %+v", got)
			}
		})
	}
}

func TestConfigurationsThatCannotBeRight(t *testing.T) {
	for _, c := range []struct {
		field  string
		config statsig.Config
	}{
		{"key", statsig.Config{}},
		{"key", statsig.Config{Key: "secret-5b0d\n"}},
		{"url", statsig.Config{Key: key, URL: "statsig.example.com"}},
		{"url", statsig.Config{Key: key, URL: "https://statsig.example.com/?key=secret-5b0d"}},
		{"url", statsig.Config{Key: key, URL: "https://secret-5b0d\x7f/"}},
		{"url", statsig.Config{Key: key, URL: "http://127.0.0.1/"}},
	} {
		_, err := statsig.Open(c.config)
		e, _ := errors.AsType[*daybook.Error](err)
		if e == nil || e.Code != daybook.Invalid || e.Where != "statsig" || e.Field != c.field {
			t.Fatalf("%+v: error is %#v, want an invalid %s", c.config, err, c.field)
		}
		sinktest.CheckText(t, err, key)
	}
	s, err := statsig.Open(statsig.Config{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	s.Close(t.Context())
}

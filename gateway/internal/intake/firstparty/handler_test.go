package firstparty_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/accept"
	"daybook.dev/gateway/internal/intake/intaketest"
)

func TestABatchIsDoneWithUnlessSomethingFailed(t *testing.T) {
	refused := daybook.Outcome{Status: daybook.Refused, Err: &daybook.Error{Code: daybook.Invalid, Reason: "x"}}
	denied := daybook.Outcome{Status: daybook.Refused, Err: &daybook.Error{Code: daybook.Denied, Reason: "y"}}
	failed := daybook.Outcome{Status: daybook.Failed, Err: &daybook.Error{Code: daybook.Unavailable, RetryAfter: 2500 * time.Millisecond}}
	for name, c := range map[string]struct {
		outcomes           []daybook.Outcome
		status             int
		retry              string
		accepted, rejected int
	}{
		"stored, duplicate and dropped": {[]daybook.Outcome{{Status: daybook.Stored}, {Status: daybook.Duplicate}, {Status: daybook.Dropped}}, 200, "", 3, 0},
		"all rejected":                  {[]daybook.Outcome{refused, refused}, 200, "", 0, 2},
		"none allowed":                  {[]daybook.Outcome{denied}, 200, "", 0, 1},
		"one failed":                    {[]daybook.Outcome{{Status: daybook.Stored}, refused, failed}, 503, "3", 1, 2},
		"no room":                       {[]daybook.Outcome{{Status: daybook.Failed, Err: &daybook.Error{Code: daybook.Exhausted}}}, 429, "1", 0, 1},
		"nobody knows":                  {[]daybook.Outcome{{}}, 503, "1", 0, 1},
		"a foreign error":               {[]daybook.Outcome{{Status: daybook.Failed, Err: errors.New("secret")}}, 503, "1", 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHandler(intaketest.Nowhere{})
			h.Accept = func(context.Context, accept.Batch) []daybook.Outcome { return c.outcomes }
			w := post(h, attacked().Batch(len(c.outcomes)))
			if w.Code != c.status || w.Header().Get("Retry-After") != c.retry || strings.Contains(w.Body.String(), "secret") {
				t.Errorf("status %d, Retry-After %q: %s", w.Code, w.Header().Get("Retry-After"), w.Body)
			}
			if got := parse(t, w); got.Accepted != c.accepted || got.Rejected != c.rejected {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestTheRateAtWhichAnEventWasSampledIsStored(t *testing.T) {
	for members, want := range map[string]float64{
		`,"sample_rate":0.25`:                                            0.25,
		`,"event_metadata":{"sample_rate":0.25}`:                         0.25,
		`,"event_metadata":{"a":{"sample_rate":9},"sample_rate":1e-3}`:   1e-3,
		`,"event_metadata":{"\u0073ample_rate":0.25,"sample_rate2":0.5}`: 0, // only escapes write it so; no client does
		`,"sample_rate":0.5,"event_metadata":{"sample_rate":0.25}`:       0.5,
		`,"core_metadata":{"sample_rate":0.25}`:                          0,
		`,"event_metadata":{"a":{"sample_rate":0.25}}`:                   0,
		`,"event_metadata":{"sample_rate":1}`:                            0,
		`,"event_metadata":{"sample_rate":0}`:                            0,
		`,"event_metadata":{"sample_rate":-0.5}`:                         0,
		`,"event_metadata":{"sample_rate":"0.5"}`:                        0,
		`,"event_metadata":{"sample_rate":1e400}`:                        0,
		`,"event_metadata":["sample_rate"]`:                              0,
		`,"event_metadata":"sample_rate"`:                                0,
	} {
		s := &intaketest.Recorder{}
		if w := post(newHandler(s), batch(members)); len(s.Records()) != 1 {
			t.Errorf("%s: %s", members, w.Body)
			continue
		}
		if got := s.Records()[0].Event.SampleRate; got != want {
			t.Errorf("%s: rate %v, want %v", members, got, want)
		}
	}
}

func TestABatchSentAgainIsAccepted(t *testing.T) {
	s := &intaketest.Recorder{}
	h := newHandler(s)
	for range 2 {
		w := post(h, batch(`,"client_timestamp":"2026-01-31T12:00:00Z","event_metadata":{"sample_rate":0.5}`), "Authorization", "Bearer token")
		if got := parse(t, w); w.Code != http.StatusOK || got.Accepted != 1 {
			t.Errorf("%d %+v", w.Code, got)
		}
	}
	if len(s.Records()) != 1 {
		t.Errorf("%d records", len(s.Records()))
	}
}

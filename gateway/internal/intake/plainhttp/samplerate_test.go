package plainhttp_test

import (
	"fmt"
	"testing"

	"daybook.dev/gateway/internal/intake/intaketest"
	"daybook.dev/gateway/internal/query"
	"daybook.dev/gateway/internal/store"
)

func TestASampleRateIsAboveZeroAndAtMostOne(t *testing.T) {
	for value, want := range map[string]float64{
		`0.25`: 0.25, `1e-7`: 1e-7, `1`: 0, `1.0`: 0, `null`: 0,
		`0`: -1, `-0.5`: -1, `1.5`: -1, `1e400`: -1, `1e-400`: -1, `"0.5"`: -1, `true`: -1, `[0.5]`: -1,
	} {
		s := &intaketest.Recorder{}
		got := parse(t, post(newHandler(s), `{"event_name":"a","sample_rate":`+value+`,"metadata":{"sample_rate":"mine"}}`)).Results[0]
		if want < 0 {
			if got.Status != "refused" || got.Field != "sample_rate" || got.Reason != "invalid_sample_rate" && got.Reason != "wrong_type" {
				t.Errorf("%s: %+v", value, got)
			}
			continue
		}
		if got.Status != "stored" {
			t.Errorf("%s: %+v", value, got)
			continue
		}
		if e := s.Records()[0].Event; e.SampleRate != want || string(e.Metadata) != `{"sample_rate":"mine"}` {
			t.Errorf("%s: rate %v, metadata %s", value, e.SampleRate, e.Metadata)
		}
	}
}

func TestTheRowOfASampledEventSentAgainIsADuplicate(t *testing.T) {
	s := &intaketest.Recorder{}
	h := newHandler(s)
	for i, rate := range []string{"0.1", "1e-7", "1", "0.30000000000000004"} {
		post(h, fmt.Sprintf(`{"event_id":"e%d","event_name":"a","event_ts":"2026-01-31T12:00:00Z","sample_rate":%s}`, i, rate))
		row := query.AppendRow(nil, store.Entry{Record: s.Records()[i]})
		if got := parse(t, post(h, string(row))); got.Results[0].Status != "duplicate" {
			t.Errorf("%s is answered %+v", row, got.Results[0])
		}
		if got := parse(t, post(h, fmt.Sprintf(`{"event_id":"e%d","event_name":"a","event_ts":"2026-01-31T12:00:00Z","sample_rate":0.5}`, i))); got.Results[0].Code != "conflict" {
			t.Errorf("another rate is answered %+v", got.Results[0])
		}
	}
}

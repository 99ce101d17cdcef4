package admit_test

import (
	"testing"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/admit"
)

// TestR16 sends events of every time: all are admitted as they are, and those far
// from the clock are told from the others.
func TestR16AncientAndFutureTimesAreNotedAndNotRefused(t *testing.T) {
	now := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	a := &admit.Admitter{Now: func() time.Time { return now }}
	day := 24 * time.Hour
	for name, c := range map[string]struct {
		at   time.Time
		want admit.Skew
	}{
		"now":                     {now, admit.NoSkew},
		"a day ahead":             {now.Add(day), admit.NoSkew},
		"and a moment":            {now.Add(day + 1), admit.Future},
		"30 days ago":             {now.Add(-30 * day), admit.NoSkew},
		"and a moment ago":        {now.Add(-30*day - 1), admit.Past},
		"the first instant":       {time.Time{}, admit.Past},
		"1970":                    {time.Unix(0, 0).UTC(), admit.Past},
		"the end of the calendar": {time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC), admit.Future},
	} {
		record, err := admitted(a, admit.Submission{TimeGiven: true, Event: daybook.Event{ID: "e", Name: "signup", Time: c.at}})
		if err != nil {
			t.Errorf("%s: refused: %v", name, err)
			continue
		}
		if got := admit.SkewOf(&record); got != c.want || !record.Event.Time.Equal(c.at) {
			t.Errorf("%s: skew is %v, want %v; the time is %v", name, got, c.want, record.Event.Time)
		}
	}
	record, err := admitted(a, admit.Submission{Event: daybook.Event{ID: "e", Name: "signup"}})
	if err != nil || admit.SkewOf(&record) != admit.NoSkew {
		t.Errorf("without a time: %v, %v", admit.SkewOf(&record), err)
	}
}

package main

import (
	"strings"
	"testing"
	"time"

	"daybook.dev/gateway/internal/serve"
	"daybook.dev/gateway/internal/store/journal"
)

func TestTheForecastSaysForHowLongThereIsRoom(t *testing.T) {
	const gb = int64(1e9)
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	report := func(bytes int64, span time.Duration) journal.Report {
		return journal.Report{Bytes: bytes, Used: bytes, Oldest: start, Newest: start.Add(span)}
	}
	limits := serve.Journal{Keep: 7 * oneDay, MaxSize: 10e9}
	for name, c := range map[string]struct {
		report journal.Report
		free   int64
		want   string
	}{
		"an empty journal":                  {journal.Report{}, 100 * gb, "not known yet"},
		"too little to tell":                {report(gb, 59*time.Minute), 100 * gb, "not known yet"},
		"age is reached first":              {report(2*gb, 2*oneDay), 100 * gb, "1.0 GB a day; there is room for 10.0 days of events, and journal.keep asks for less"},
		"size is reached first":             {report(4*gb, 2*oneDay), 100 * gb, "2.0 GB a day; there is room for 5.0 days of events, less than journal.keep asks for; used in 3.0 days"},
		"the disk is full first":            {report(2*gb, 2*oneDay), gb, "1.0 GB a day; there is room for 3.0 days of events, less than journal.keep asks for; used in 1.0 days"},
		"free space not known":              {report(4*gb, 2*oneDay), -1, "used in 3.0 days"},
		"a journal that is full already":    {report(11*gb, 2*oneDay), 100 * gb, "used in 0.0 days"},
		"events that came within one hour":  {report(4*gb, time.Hour), 100 * gb, "96 GB a day"},
		"an old journal with hardly events": {report(9000, 700*oneDay), 100 * gb, "12 B a day"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := forecastOf(limits, c.report, c.free).sentence(); !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

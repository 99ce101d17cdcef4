package main

import (
	"fmt"
	"time"

	"daybook.dev/gateway/internal/serve"
	"daybook.dev/gateway/internal/store/journal"
	"daybook.dev/internal/wal"
)

// printStat prints what a directory holds and for how long there is room.
func (a *app) printStat(c serve.Config, r journal.Report) error {
	free := int64(-1)
	if volume, err := (wal.OS{}).Volume(c.Data); err == nil {
		free = volume.Free
	}
	f := forecastOf(c.Journal, r, free)
	if a.json() {
		return printJSON(a.stdout, struct {
			reportRow
			forecast
		}{reportRowOf(c.Data, r), f})
	}
	return a.printReport(c.Data, r, false, [2]string{"room", f.sentence()})
}

// A forecast says for how long there is room, at the rate of the events kept.
// Nil means not known.
type forecast struct {
	BytesPerDay *int64 `json:"bytes_per_day"`

	// DaysLeft is until the room is used. Nil also when events go by age first.
	DaysLeft *float64 `json:"days_left"`

	// HoldsDays is for how many days of events there is room in all.
	HoldsDays *float64 `json:"holds_days"`
}

const (
	oneDay = 24 * time.Hour

	// leastSpan is the span of events from which a rate per day can be told.
	leastSpan = time.Hour
)

// forecastOf measures the rate over the events kept. free is what the file
// system can still give; -1 = not known.
func forecastOf(j serve.Journal, r journal.Report, free int64) forecast {
	span := r.Newest.Sub(r.Oldest)
	if span < leastSpan {
		return forecast{}
	}
	perDay := max(float64(r.Used)/(float64(span)/float64(oneDay)), 1)
	room := max(int64(j.MaxSize)-r.Bytes, 0)
	if free >= 0 {
		room = min(room, free)
	}
	rounded, holds, left := int64(perDay), float64(r.Bytes+room)/perDay, float64(room)/perDay
	f := forecast{BytesPerDay: &rounded, HoldsDays: &holds}
	if holds < float64(j.Keep)/float64(oneDay) {
		f.DaysLeft = &left
	}
	return f
}

// sentence says it for people.
func (f forecast) sentence() string {
	if f.BytesPerDay == nil {
		return "not known yet for how long: the events kept span less than an hour"
	}
	text := fmt.Sprintf("%s a day; there is room for %.1f days of events", serve.HumanBytes(uint64(*f.BytesPerDay)), *f.HoldsDays)
	if f.DaysLeft == nil {
		return text + ", and journal.keep asks for less"
	}
	return fmt.Sprintf("%s, less than journal.keep asks for; used in %.1f days", text, *f.DaysLeft)
}

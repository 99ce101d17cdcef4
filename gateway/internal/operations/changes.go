package operations

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"daybook.dev/gateway/internal/deadletter"
	"daybook.dev/gateway/internal/store"
)

// A changeOf is Retry or Drop.
type changeOf func(ctx context.Context, f deadletter.Filter, each func(deadletter.Done)) (deadletter.Summary, error)

// change retries or drops what the filter in the body means. The answer is one
// JSON object per line, as the work goes on: a line for every dead letter that
// stays one, now and then {"done","matched"}, and as the last one the summary.
// Without a summary the work was cut off.
func (d *deadLetters) change(do changeOf) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var f deadletter.Filter
		if !readJSON(w, r, &f) {
			return
		}
		ctx, cancel := endedBy(r.Context(), d.streams)
		defer cancel()
		p := &progress{w: w, control: http.NewResponseController(w), gone: cancel}
		defer p.release()
		s, err := do(ctx, f, p.each)
		if err != nil && s.Matched == 0 && p.done == 0 {
			refuseError(w, err, d.failed)
			return
		}
		if err != nil && ctx.Err() == nil && d.failed != nil {
			d.failed(err)
		}
		p.end(s, err)
	})
}

// endedBy returns a context that ends with ctx, and with other where that is not
// nil.
func endedBy(ctx, other context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	if other == nil {
		return ctx, cancel
	}
	stop := context.AfterFunc(other, cancel)
	return ctx, func() { stop(); cancel() }
}

// progressEvery is how often somebody who waits is told how far it is.
const progressEvery = time.Second

// A progress writes the lines of an answer.
type progress struct {
	w       http.ResponseWriter
	control *http.ResponseController
	gone    func() // ends the work: nobody reads any more

	done int       // dead letters
	told time.Time // when the last line was written
}

// A doneRow is a dead letter that stays one.
type doneRow struct {
	Position    store.Position    `json:"position"`
	Destination *string           `json:"destination"`
	EventID     string            `json:"event_id"`
	Result      deadletter.Result `json:"result"`
	Code        string            `json:"code,omitzero"`
	Reason      string            `json:"reason,omitzero"`
	Message     string            `json:"message,omitzero"`
}

func (p *progress) each(d deadletter.Done) {
	p.done++
	switch d.Result {
	case deadletter.Delivered, deadletter.Dropped:
		if time.Since(p.told) >= progressEvery {
			p.line(map[string]int{"done": p.done})
		}
		return
	}
	row := doneRow{Position: d.Position, Destination: orNull(d.Destination), EventID: d.EventID, Result: d.Result}
	if d.Err != nil {
		why, _ := problemOf(d.Err)
		row.Code, row.Reason, row.Message = why.Code, why.Reason, why.Message
	}
	p.line(row)
}

// end writes the last line.
func (p *progress) end(s deadletter.Summary, err error) {
	last := struct {
		Summary struct {
			Matched   int                       `json:"matched"`
			Remaining int                       `json:"remaining"`
			Last      store.Position            `json:"last"`
			Results   map[deadletter.Result]int `json:"results"`
		} `json:"summary"`
		Error *problem `json:"error,omitzero"`
	}{}
	last.Summary.Matched, last.Summary.Remaining, last.Summary.Last, last.Summary.Results = s.Matched, s.Remaining, s.Last, s.Results
	if err != nil {
		why, _ := problemOf(err)
		last.Error = &why
	}
	p.line(last)
}

func (p *progress) line(v any) {
	text, err := json.Marshal(v)
	if err != nil {
		p.gone()
		return
	}
	if p.told.IsZero() {
		p.w.Header().Set("Content-Type", "application/x-ndjson")
		p.w.Header().Set("Cache-Control", "no-store")
	}
	p.told = time.Now()
	// A connection that knows no deadlines is only found in tests.
	_ = p.control.SetWriteDeadline(p.told.Add(writeWithin))
	if _, err := p.w.Write(append(text, '\n')); err != nil {
		p.gone()
		return
	}
	_ = p.control.Flush() // an error shows at the next write
}

// release gives the connection back without the deadline, which would count for
// the next request on it.
func (p *progress) release() { _ = p.control.SetWriteDeadline(time.Time{}) }

package main

import (
	"bufio"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"daybook.dev"
)

// A sendReport tells what became of the lines: outcomes on standard output,
// progress and what went wrong on standard error.
type sendReport struct {
	app    *app
	single bool // one event, from the command line
	out    *bufio.Writer

	counts    [daybook.Failed + 1]int // by status
	total     int
	lost      int // lines that are not delivered
	firstLost line
	last      daybook.Outcome

	began    time.Time
	next     time.Time // when to show progress again
	progress bool      // the cursor is on the line of the progress
	away     bool      // the last attempt failed
}

func newSendReport(a *app, single bool) *sendReport {
	now := time.Now()
	return &sendReport{app: a, single: single, out: bufio.NewWriter(a.stdout), began: now, next: now.Add(progressEvery)}
}

// event takes the last word about a line.
func (r *sendReport) event(l line, o daybook.Outcome) {
	r.total++
	r.counts[o.Status]++
	r.last = o
	switch o.Status {
	case daybook.Unknown, daybook.Failed:
		if r.lost++; r.lost == 1 {
			r.firstLost = l
		}
	case daybook.Refused:
		r.complain(l, o)
	default:
		r.away = false
	}
	if r.app.json() {
		r.row(l, o)
	}
	r.showProgress()
}

// complain names a refused line.
func (r *sendReport) complain(l line, o daybook.Outcome) {
	where := l.String() + ": "
	if r.single {
		where = ""
	}
	r.say("daybook: %srefused: %s (%s)", where, printable(describe(o.Err)), o.Reason)
}

// waiting says once per outage that the gateway is away.
func (r *sendReport) waiting(cause error) {
	if r.away {
		return
	}
	r.away = true
	if !r.app.stderrIsTerminal {
		return
	}
	hint := ""
	if e, ok := errors.AsType[*daybook.Error](cause); ok && e.Reason == "unreachable" {
		hint = " Is it running? Start one with: daybook serve"
	}
	r.say("%s; trying again, Ctrl-C stops.%s", printable(describe(cause)), hint)
}

const progressEvery = 200 * time.Millisecond

// showProgress says how far it is, on a terminal.
func (r *sendReport) showProgress() {
	now := time.Now()
	if r.single || !r.app.stderrIsTerminal || now.Before(r.next) {
		return
	}
	r.next, r.progress = now.Add(progressEvery), true
	rate := float64(r.total) / now.Sub(r.began).Seconds()
	fmt.Fprintf(r.app.stderr, "\r\x1b[K%d events, %.0f/s", r.total, rate)
}

// clear takes the progress off the screen.
func (r *sendReport) clear() {
	if r.progress {
		r.progress = false
		fmt.Fprint(r.app.stderr, "\r\x1b[K")
	}
}

// say writes a line to standard error, in place of the progress.
func (r *sendReport) say(format string, args ...any) {
	r.clear()
	fmt.Fprintf(r.app.stderr, format+"\n", args...)
}

// row writes one outcome as JSON.
func (r *sendReport) row(l line, o daybook.Outcome) {
	row := struct {
		File       string             `json:"file,omitzero"`
		Line       int                `json:"line"`
		EventID    string             `json:"event_id,omitzero"`
		Status     daybook.Status     `json:"status"`
		Durability daybook.Durability `json:"durability,omitzero"`
		Code       string             `json:"code,omitzero"`
		Reason     string             `json:"reason,omitzero"`
		Field      string             `json:"field,omitzero"`
		Message    string             `json:"message,omitzero"`
	}{File: l.file, Line: l.number, EventID: o.ID, Status: o.Status, Durability: o.Durability, Reason: o.Reason}
	if o.Err != nil {
		row.Code, row.Message = daybook.CodeOf(o.Err).String(), describe(o.Err)
		if e, ok := errors.AsType[*daybook.Error](o.Err); ok {
			row.Field = e.Field
		}
	}
	text, err := json.Marshal(row)
	if err != nil {
		r.say("daybook: %v: %v", l, err)
		return
	}
	_, _ = r.out.Write(append(text, '\n')) // Flush reports it
}

// finish prints the summary. The error says that not everything is safe.
func (r *sendReport) finish(undelivered error) error {
	if undelivered != nil {
		r.say("daybook: %s", r.loss(undelivered))
	}
	r.clear()
	if !r.app.json() {
		r.summary()
	}
	if err := r.out.Flush(); err != nil {
		return err
	}
	if undelivered != nil || r.counts[daybook.Refused] > 0 || r.lost > 0 {
		return errReported
	}
	return nil
}

// loss says what is not delivered and why.
func (r *sendReport) loss(cause error) string {
	switch {
	case r.single:
		return "not delivered: " + printable(describe(cause))
	case r.lost == 0:
		return "stopped: " + printable(describe(cause))
	}
	return fmt.Sprintf("%v: not delivered, nor %d after it, nor what was not read yet: %s", r.firstLost, r.lost-1, printable(describe(cause)))
}

// summary prints how many events ended how.
func (r *sendReport) summary() {
	if r.single {
		if o := r.last; o.ID != "" && r.counts[daybook.Refused]+r.lost == 0 {
			why := o.Durability.String()
			if o.Status == daybook.Dropped {
				why = o.Reason
			}
			fmt.Fprintf(r.out, "%v %s (%s)\n", o.Status, printable(o.ID), why)
		}
		return
	}
	var parts []string
	for _, s := range [...]daybook.Status{daybook.Stored, daybook.Duplicate, daybook.Dropped, daybook.Refused} {
		if n := r.counts[s]; n > 0 || s == daybook.Stored {
			parts = append(parts, fmt.Sprintf("%d %v", n, s))
		}
	}
	if r.lost > 0 {
		parts = append(parts, fmt.Sprintf("%d not delivered", r.lost))
	}
	fmt.Fprintln(r.out, strings.Join(parts, ", "))
}

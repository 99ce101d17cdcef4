package replay

import (
	"cmp"
	"context"
	"errors"
	"time"

	"golang.org/x/time/rate"

	"daybook.dev"
	"daybook.dev/gateway/internal/attempt"
	"daybook.dev/gateway/internal/store"
)

const (
	pageRecords = 1000 // one read asks for

	partEvents = 100     // events handed over together, at most
	partBytes  = 1 << 20 // bytes of metadata after which no further event joins them

	saveEvery   = time.Second // how often the cursor is written
	maxFailures = 100         // are listed

	leastWait     = 200 * time.Millisecond // after a first failure, at most
	mostWait      = 30 * time.Second
	retryPaused   = 30 * time.Second // while the destination is misconfigured
	retryUnread   = 5 * time.Second  // after the store could not be read
	burstOfRate   = partEvents       // events that a rate lets through at once
	maxRetryAfter = time.Hour        // a destination's advice is followed up to here
)

// A run is one replay under way. It is for one goroutine.
type run struct {
	*Replayer
	job     *Job // its parts that change are guarded by Replayer.mu
	match   func(*store.Record) bool
	limiter *rate.Limiter // nil = no limit
	burst   int

	saved   time.Time     // when the cursor was written
	backoff time.Duration // before the next try; 0 = the last one went well
}

// do goes on with a replay until it is finished or ctx ends.
func (r *Replayer) do(ctx context.Context, j *Job) {
	match, err := r.compile(j.Where)
	if err != nil { // it compiled when it was asked for, by another version
		r.finish(j, Broken, &Problem{Since: time.Now().UTC(), Code: daybook.Invalid.String(), Reason: "invalid_replay", Message: "where: " + err.Error()})
		return
	}
	d := &run{Replayer: r, job: j, match: match, burst: partEvents, saved: time.Now()}
	if j.Rate > 0 {
		d.burst = min(max(int(j.Rate), 1), burstOfRate)
		d.limiter = rate.NewLimiter(rate.Limit(j.Rate), d.burst)
	}
	r.options.Log.Info("replay goes on", "replay", j.ID, "to", j.To, "position", j.Position, "end", j.End, "dry_run", j.DryRun)
	if d.all(ctx) {
		r.finish(j, Done, nil)
		return
	}
	if err := r.save(j); err != nil {
		r.options.Log.Warn("the cursor of a replay could not be written; some events will be delivered again", "replay", j.ID, "err", err)
	}
}

// finish notes how a replay ended, unless somebody has ended it before.
func (r *Replayer) finish(j *Job, s State, why *Problem) {
	r.mu.Lock()
	if !j.State.Finished() {
		r.end(j, s, why)
	}
	counts, state := j.Counts, j.State
	r.mu.Unlock()
	if err := r.save(j); err != nil {
		r.options.Log.Warn("the end of a replay could not be written; after a restart it is done again from its last cursor", "replay", j.ID, "err", err)
	}
	r.options.Log.Info("replay has ended", "replay", j.ID, "to", j.To, "state", state,
		"delivered", counts.Delivered, "failed", counts.Failed, "skipped", counts.Skipped, "missed", counts.Missed)
}

// all goes through the records that are left. False means that ctx ended first.
func (d *run) all(ctx context.Context) bool {
	for at := d.job.Position; at < d.job.End; {
		if ctx.Err() != nil {
			return false
		}
		page, err := d.options.Source.Read(ctx, at, pageRecords)
		if err != nil {
			if ctx.Err() != nil {
				return false
			}
			d.problem(Running, err)
			if !sleep(ctx, retryUnread) {
				return false
			}
			continue
		}
		if at, err = d.page(ctx, at, page); err != nil {
			return false
		}
	}
	return true
}

// page goes through the records of one read and returns where it is then. The
// error is ctx's.
func (d *run) page(ctx context.Context, at store.Position, page []store.Entry) (store.Position, error) {
	p := part{through: at}
	for i := range page {
		e := &page[i]
		if e.Position > d.job.End {
			break
		}
		d.add(&p, e)
		if len(p.events) >= d.burst || p.bytes >= partBytes {
			if err := d.part(ctx, &p); err != nil {
				return at, err
			}
			p = part{through: p.through}
		}
	}
	if len(page) == 0 || page[len(page)-1].Position > d.job.End {
		p.passOver(d.job.End + 1)
	}
	return p.through, d.part(ctx, &p)
}

// add takes a record into a part.
func (d *run) add(p *part, e *store.Entry) {
	p.passOver(e.Position)
	p.through = e.Position
	if e.Kind != store.KindEvent {
		return
	}
	p.counts.Read++
	if !d.match(&e.Record) {
		return
	}
	p.counts.Matched++
	switch {
	case !d.options.Wants(d.job.To, &e.Record):
		p.counts.Skipped++
	case !d.job.DryRun:
		p.events = append(p.events, e.Outgoing())
		p.positions = append(p.positions, e.Position)
		p.bytes += len(e.Event.Metadata)
	}
}

// part delivers a part and moves the cursor behind it. The error is ctx's.
func (d *run) part(ctx context.Context, p *part) error {
	if d.limiter != nil && len(p.events) > 0 {
		if err := d.limiter.WaitN(ctx, len(p.events)); err != nil {
			return cmp.Or(ctx.Err(), err)
		}
	}
	for len(p.events) > 0 {
		if err := d.try(ctx, p); err != nil {
			return err
		}
	}
	d.mu.Lock()
	d.job.add(p.counts)
	d.job.Position = p.through
	d.job.Failures = append(d.job.Failures, p.failures[:min(len(p.failures), maxFailures-len(d.job.Failures))]...)
	d.mu.Unlock()
	d.keep(p.through)
	return nil
}

// keep writes the cursor now and then, and lets go of what is done.
func (d *run) keep(through store.Position) {
	if time.Since(d.saved) < saveEvery {
		return
	}
	d.saved = time.Now()
	if err := d.save(d.job); err != nil {
		d.options.Log.Warn("the cursor of a replay could not be written; trying again", "replay", d.job.ID, "err", err)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.job.State.Finished() {
		d.options.Source.Hold(follower(d.job.ID), through)
	}
}

// try hands over what is left of a part, and waits where the destination cannot
// take it now. The error is ctx's.
func (d *run) try(ctx context.Context, p *part) error {
	results := attempt.Of(ctx, d.options.Write, d.job.To, p.events, d.options.Within)
	if ctx.Err() != nil {
		return ctx.Err() // the results may be of that; the part is done again
	}
	left := part{}
	var why error // the first reason to wait
	for i, err := range results {
		switch attempt.ClassOf(err) {
		case attempt.Taken:
			p.counts.Delivered++
		case attempt.Permanent:
			p.counts.Failed++
			p.failures = append(p.failures, failureOf(p.positions[i], p.events[i].ID, err))
		default:
			left.events = append(left.events, p.events[i])
			left.positions = append(left.positions, p.positions[i])
			if why == nil && !errors.Is(err, attempt.ErrNotTried) {
				why = err
			}
		}
	}
	if len(left.events) < len(p.events) {
		d.backoff = 0
	}
	p.events, p.positions = left.events, left.positions
	if len(p.events) == 0 {
		d.well()
		return nil
	}
	return d.wait(ctx, cmp.Or(why, attempt.ErrNotTried))
}

// wait waits as long as the class of the error asks for. The error is ctx's.
func (d *run) wait(ctx context.Context, why error) error {
	if attempt.ClassOf(why) == attempt.Misconfigured {
		d.problem(Paused, why)
		if !sleep(ctx, retryPaused) {
			return ctx.Err()
		}
		return nil
	}
	d.problem(Running, why)
	d.backoff = min(max(2*d.backoff, leastWait), mostWait)
	wait := time.Duration(float64(d.backoff) * d.options.Jitter())
	if e, ok := errors.AsType[*daybook.Error](why); ok {
		wait = max(wait, min(e.RetryAfter, maxRetryAfter))
	}
	if !sleep(ctx, wait) {
		return ctx.Err()
	}
	return nil
}

// problem notes why the replay does not get on, and logs it when it begins.
func (d *run) problem(s State, err error) {
	e := explain(err)
	d.mu.Lock()
	begins := d.job.Problem == nil
	p := &Problem{Since: time.Now().UTC(), Code: e.Code.String(), Reason: e.Reason, Message: e.Message}
	if !begins {
		p.Since = d.job.Problem.Since
	}
	if !d.job.State.Finished() {
		d.job.State, d.job.Problem = s, p
	}
	d.mu.Unlock()
	if begins {
		d.options.Log.Warn("replay does not get on; trying again", "replay", d.job.ID, "to", d.job.To, "state", s, "err", err)
	}
}

// well notes that it gets on again.
func (d *run) well() {
	d.mu.Lock()
	recovered := d.job.Problem != nil
	if !d.job.State.Finished() {
		d.job.State, d.job.Problem = Running, nil
	}
	d.mu.Unlock()
	if recovered {
		d.options.Log.Info("replay gets on again", "replay", d.job.ID, "to", d.job.To)
	}
}

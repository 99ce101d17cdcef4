package daybook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
)

// ErrFull is returned by [Client.Enqueue] when the queue has no room. The events
// it had no room for are counted as dropped.
var ErrFull error = &Error{Code: Exhausted, Where: "queue", Reason: "queue_full", Message: "the queue is full"}

// ErrNoSpool is returned by [Client.Save] when there is no spool to save to.
var ErrNoSpool error = &Error{Code: Unimplemented, Where: "spool", Reason: "no_spool", Message: "there is no spool: set Config.Spool.Dir"}

// complete checks an event made by the caller, fills in ID and time, and packs
// it behind dst. The index is the event's place in the call.
func (st *state) complete(dst []byte, e *draft, event Event, index int) ([]byte, *Error) {
	bad := func(field, reason, message string, err error) ([]byte, *Error) {
		return nil, &Error{Code: Invalid, Where: "event", Field: field, Reason: reason, Message: message, Index: index, Err: err}
	}
	if strings.TrimSpace(event.Name) == "" {
		return bad("event_name", "blank_name", "an event must have a name", nil)
	}
	if event.ID == "" {
		event.ID = e.newID()
	}
	if event.Time.IsZero() {
		event.Time = st.now()
	}
	start := len(dst)
	dst = appendPacked(dst, &event)
	metadata := len(dst)
	if event.Metadata != nil {
		b := bytes.NewBuffer(dst)
		if err := json.Compact(b, event.Metadata); err != nil {
			return bad("metadata", "invalid_json", "metadata is not valid JSON", err)
		}
		dst = b.Bytes()
		if len(dst) == metadata || dst[metadata] != '{' {
			return bad("metadata", "wrong_type", "metadata must be an object", nil)
		}
	}
	if len(dst)-start > maxEvent {
		return nil, &Error{Code: TooLarge, Where: "event", Reason: "event_too_large", Message: "the event is over 1 MiB", Index: index}
	}
	return closePacked(dst, start, metadata), nil
}

// A prepared call has the caller's events checked, sampled and packed.
type prepared struct {
	data     []byte
	records  [][]byte // of data, those that were kept
	kept     []int    // the index of each
	outcomes []Outcome
}

// prepare returns the events of a call, or why one of them cannot be recorded;
// then none is.
func (c *Client) prepare(st *state, events []Event) (p prepared, err error) {
	e := drafts.Get().(*draft)
	defer e.release()
	settings := c.core.settings.current()
	p.outcomes = make([]Outcome, len(events))
	sizes := make([]int, 0, len(events))
	p.kept = make([]int, 0, len(events))
	p.data = make([]byte, 0, roomFor(events))
	for i, event := range events {
		if event.ID == "" {
			event.ID = strings.Clone(e.newID())
		}
		p.outcomes[i].ID = event.ID
		decision := Decision{Keep: true}
		if event.SampleRate == 0 && event.Type != exposureType {
			decision = settings.decide(&event, func(key string) string { return textIn(event.Metadata, key) })
			event.SampleRate = decision.Rate
		}
		if !decision.Keep {
			p.outcomes[i].Status, p.outcomes[i].Reason = Dropped, sampledOut.String()
			continue
		}
		data, bad := st.complete(p.data, e, event, i)
		if bad != nil {
			return prepared{}, bad
		}
		sizes = append(sizes, len(data)-len(p.data))
		p.data = data
		p.kept = append(p.kept, i)
	}
	if n := len(events) - len(p.kept); n > 0 {
		c.core.drop(sampledOut, n)
	}
	rest := p.data
	p.records = make([][]byte, 0, len(sizes))
	for _, size := range sizes {
		p.records = append(p.records, rest[:size])
		rest = rest[size:]
	}
	return p, nil
}

// roomFor is how much memory events take when they are packed, about.
func roomFor(events []Event) (n int) {
	for i := range events {
		e := &events[i]
		n += packedHead + 36 + len(e.ID) + len(e.Name) + len(e.Type) + len(e.Actor) + len(e.IdempotencyKey) + len(e.Metadata)
	}
	return n
}

// textIn returns a text attribute of an event that is encoded already.
func textIn(metadata json.RawMessage, key string) (text string) {
	var members map[string]json.RawMessage
	if json.Unmarshal(metadata, &members) == nil {
		_ = json.Unmarshal(members[key], &text)
	}
	return text
}

// Enqueue queues events that the caller has built. Nil means that they are in
// the queue, or that recording is off. An [*Error] means that one of them cannot be recorded and
// none was; [ErrFull] that there was no room for all of them; [ErrClosed] that
// the client is closed. Only under WhenFull Wait does it wait for room, until
// ctx ends. Nothing of the events is kept.
func (c *Client) Enqueue(ctx context.Context, events ...Event) error {
	st := c.recording(len(events))
	if st == nil {
		return nil
	}
	if c.core.closing.Load() {
		c.core.drop(closed, len(events))
		return ErrClosed
	}
	p, err := c.prepare(st, events)
	if err != nil {
		c.core.drop(invalid, len(events))
		return err
	}
	return c.core.enqueue(ctx, st, p.records)
}

func (co *core) enqueue(ctx context.Context, st *state, records [][]byte) error {
	how := (*lane).put
	var err, ended error
	if st.cfg.Queue.WhenFull == Wait {
		how = func(l *lane, packed []byte) putResult {
			result, err := l.putWaiting(ctx, packed)
			if err != nil {
				ended = err
			}
			return result
		}
	}
	for i, record := range records {
		full, gone := co.put(st, record, how)
		switch {
		case ended != nil:
			co.drop(queueFull, len(records)-i-1)
			return &Error{Code: Exhausted, Where: "queue", Reason: "queue_full", Message: "the queue stayed full", Index: i, Err: ended}
		case gone:
			err = ErrClosed
		case full && err == nil:
			err = ErrFull
		}
	}
	return err
}

// Save writes events to the spool. Nil means that they are fsynced there, or
// that recording is off: they survive the process and the machine, and are sent
// by this process or the next. [ErrNoSpool] means that there is no spool. After
// any other error they may or may not be saved: save them again with the same
// IDs. Once writing has begun Save waits for the disk, whatever ctx does.
//
// Saves at one moment share one fsync, so many small ones cost little more than
// one.
func (c *Client) Save(ctx context.Context, events ...Event) error {
	st := c.recording(len(events))
	if st == nil {
		return nil
	}
	if c.core.closing.Load() {
		return ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return &Error{Code: Unavailable, Where: "spool", Reason: "canceled", Message: "nothing was saved", Err: err}
	}
	for _, l := range st.lanes {
		if l.spool == nil {
			return ErrNoSpool
		}
	}
	p, err := c.prepare(st, events)
	if err != nil {
		return err
	}
	for _, l := range st.lanes {
		if err := l.save(p.records); err != nil {
			return err
		}
	}
	return nil
}

// save writes records to the lane's spool.
func (l *lane) save(records [][]byte) error {
	if len(records) == 0 {
		return nil
	}
	n := len(records)
	if l.core.settings.kills(l.name) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.recorded += uint64(n)
		l.drop(killed, n)
		return nil
	}
	if err := l.spool.Append(records); err != nil {
		return &Error{Code: Unavailable, Where: "spool", Reason: "not_saved", Message: "the events may not be saved", Err: err}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recorded += uint64(n)
	l.spooled += n
	if l.attempts == 0 {
		l.startWorker()
	}
	return nil
}

// Send delivers events now, in one attempt, and says what became of each. Nil
// means that every event is safe where it was to go, or that it was dropped on
// purpose: by sampling, a kill switch or an opt-out. The outcomes are in the
// order of the events; with several sinks each is the worst that a sink said.
// An event whose outcome is Unknown may or may not have arrived: send it again
// with the same ID. Nothing of it is queued or retried here.
func (c *Client) Send(ctx context.Context, events ...Event) ([]Outcome, error) {
	st := c.recording(len(events))
	if st == nil {
		return offOutcomes(events, optedOut), nil
	}
	if c.core.closing.Load() {
		return nil, ErrClosed
	}
	p, err := c.prepare(st, events)
	if err != nil || len(p.records) == 0 {
		return p.outcomes, err
	}
	ready, _ := unpackAll(p.data, nil, nil)
	var failures []error
	first := true
	c.core.each(st, func(l *lane) bool {
		outcomes, gone, err := l.send(ctx, ready)
		if gone {
			return false
		}
		if err != nil {
			failures = append(failures, err)
		}
		p.merge(outcomes, first)
		first = false
		return true
	})
	if p.outcomes[p.kept[0]].Status == Unknown && failures == nil {
		return p.outcomes, ErrClosed
	}
	if len(failures) == 1 {
		return p.outcomes, failures[0]
	}
	return p.outcomes, errors.Join(failures...)
}

// merge takes what a sink said about the events that were kept, where it is
// worse than what another said.
func (p *prepared) merge(outcomes []Outcome, first bool) {
	for i, at := range p.kept {
		if !first && badness[outcomes[i].Status] <= badness[p.outcomes[at].Status] {
			continue
		}
		p.outcomes[at] = outcomes[i]
		if e, ok := errors.AsType[*Error](outcomes[i].Err); ok && e != nil && e.Index != at {
			moved := *e
			moved.Index = at
			p.outcomes[at].Err = &moved
		}
	}
}

// badness orders the outcomes of several sinks.
var badness = map[Status]int{Stored: 0, Duplicate: 0, Dropped: 1, Refused: 2, Failed: 3, Unknown: 4}

// offOutcomes says that events were dropped on purpose.
func offOutcomes(events []Event, why reason) []Outcome {
	outcomes := make([]Outcome, len(events))
	for i := range events {
		outcomes[i] = Outcome{ID: events[i].ID, Status: Dropped, Reason: why.String()}
	}
	return outcomes
}

// send delivers events past the queue. A lane that is closing says that it is
// gone, and has taken none.
func (l *lane) send(ctx context.Context, events []Event) (outcomes []Outcome, gone bool, err error) {
	off := l.core.settings.kills(l.name)
	l.mu.Lock()
	switch {
	case l.refusing:
		l.mu.Unlock()
		return nil, true, nil
	case off:
		l.recorded += uint64(len(events))
		l.drop(killed, len(events))
		l.mu.Unlock()
		return offOutcomes(events, killed), false, nil
	}
	sink := l.sink
	sink.enter()
	l.recorded += uint64(len(events))
	l.sending += len(events)
	number := l.beginSend()
	l.mu.Unlock()
	outcomes, err = write(ctx, sink.sink, events)
	sink.leave()
	if len(outcomes) != len(events) {
		outcomes = outcomesOf(events, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sending -= len(events)
	delete(l.unsent, number)
	for i := range outcomes {
		switch outcomes[i].Status {
		case Stored, Duplicate, Dropped:
			l.delivered++
		case Refused:
			l.drop(refused, 1)
		default:
			l.drop(failed, 1)
		}
	}
	l.notify()
	return outcomes, false, err
}

// beginSend gives a Send the number that Flush knows it by. Callers hold mu.
func (l *lane) beginSend() uint64 {
	if l.unsent == nil {
		l.unsent = map[uint64]struct{}{}
	}
	l.sends++
	l.unsent[l.sends] = struct{}{}
	return l.sends
}

// outcomesOf gives the events of a sink that has no outcomes what its error
// says about them.
func outcomesOf(events []Event, err error) []Outcome {
	outcomes := make([]Outcome, len(events))
	partial, _ := errors.AsType[*PartialError](err)
	for i := range events {
		outcomes[i].ID = events[i].ID
		switch {
		case err == nil:
			outcomes[i].Status = Stored
		case partial != nil:
			outcomes[i].Status = Stored
			for _, o := range partial.Failed {
				if o.ID == events[i].ID {
					outcomes[i] = o
				}
			}
		default:
			outcomes[i].Err = asError(err)
		}
	}
	return outcomes
}

// asError returns err as an *Error, as outcomes promise.
func asError(err error) error {
	if e, ok := errors.AsType[*Error](err); ok && e != nil {
		return e
	}
	return &Error{Code: CodeOf(err), Where: "sink", Err: err}
}

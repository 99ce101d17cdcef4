package deliver

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/attempt"
)

// fly does what a piece is waiting for, in a goroutine of its own.
func (l *lane) fly(p *piece) {
	if !p.dying {
		p = l.attempt(p)
	}
	if p != nil {
		l.bury(p)
	}
}

// attempt writes a piece once, and notes what came of it. It returns the events
// that are to become dead letters, or nil.
func (l *lane) attempt(p *piece) (dead *piece) {
	v := l.try(p)
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.advance()
	l.pending.lands(p, l.Order)
	if v.whole != nil && l.hard.Err() != nil {
		l.pending.put(p) // it was cut off: that says nothing about it
		return nil
	}
	now := time.Now()
	apart := l.charge(p.first, &v, now)
	p.tries++
	for i, n := range p.nodes {
		n.load.attempts++
		n.load.fault = v.faults[i]
	}
	if len(p.nodes) > 1 && l.atFault(p, v.whole, apart) {
		l.halve(p, v.whole, now)
		return nil
	}
	return l.judge(p, &v, now)
}

// atFault reports whether one of a piece's events is to be looked for: the
// destination refused them all and named none, or it takes others and fails at
// these again and again.
func (l *lane) atFault(p *piece, whole *fault, apart bool) bool {
	const again = 3
	return whole != nil && (whole.class == attempt.Permanent || apart && p.tries >= again)
}

// A verdict is what one write said about its events.
type verdict struct {
	began  time.Time
	whole  *fault   // of the destination; nil = it was answered for each event
	faults []*fault // by event; nil = taken
}

// blame notes an error of a write on the events that it is about: those it
// names, or all. Where it names all, and none for good, it is about the
// destination, too. The ids are those of the events that were written, which the
// sink may have overwritten since.
func (v *verdict) blame(ids []string, err error) {
	var named map[string]*fault
	if partial, ok := errors.AsType[*daybook.PartialError](err); ok {
		named = faultsOf(partial)
	}
	var first *fault
	taken, refused := 0, 0
	for i, id := range ids {
		f := named[id]
		v.faults[i] = f
		switch {
		case f == nil:
			taken++
			continue
		case f.class == attempt.Permanent:
			refused++
		}
		if first == nil {
			first = f
		}
	}
	switch {
	case taken == len(ids): // nobody knows which
		v.whole = faultOf(err)
		for i := range v.faults {
			v.faults[i] = v.whole
		}
	case taken == 0 && refused == 0:
		v.whole = first
	}
}

// try writes a piece once. What cannot be shaped is not in the write.
func (l *lane) try(p *piece) verdict {
	v := verdict{began: time.Now()}
	unfit := make([]*fault, len(p.nodes))
	events, _ := buffers.Get().([]daybook.Event)
	for i, n := range p.nodes {
		events = append(events, n.load.event)
		if err := l.shape(&events[len(events)-1]); err != nil {
			unfit[i] = faultOf(shapeless(err))
			events = events[:len(events)-1]
		}
	}
	defer recycle(events)
	v.faults = make([]*fault, len(events))
	if len(events) == 0 {
		v.faults = unfit
		return v
	}
	if err := l.write(events); err != nil {
		v.blame(idsOf(p.nodes, unfit), err)
	}
	if len(events) < len(p.nodes) {
		v.faults = merge(unfit, v.faults)
	}
	return v
}

// buffers has slices of events for writes. No sink keeps what it is given.
var buffers sync.Pool

// recycle gives back the memory of a write, without what it refers to.
func recycle(events []daybook.Event) {
	clear(events)
	buffers.Put(events[:0]) //nolint:staticcheck // the slice's header is small beside the events
}

// idsOf returns the ids of the events that could be shaped.
func idsOf(nodes []*node, unfit []*fault) []string {
	ids := make([]string, 0, len(nodes))
	for i, n := range nodes {
		if unfit[i] == nil {
			ids = append(ids, n.load.event.ID)
		}
	}
	return ids
}

// merge puts the faults of those that were written between those that were not.
func merge(unfit, written []*fault) []*fault {
	for i := range unfit {
		if unfit[i] == nil {
			unfit[i], written = written[0], written[1:]
		}
	}
	return unfit
}

// shapeless is the error for an event that cannot be shaped: whatever it says,
// trying again cannot help.
func shapeless(err error) error {
	return &daybook.Error{
		Code: daybook.Invalid, Reason: "not_sendable",
		Message: "the event cannot be written as the destination is to get it", Err: err,
	}
}

func (l *lane) shape(e *daybook.Event) error {
	if l.Shape == nil {
		return nil
	}
	return l.Shape(e)
}

// write is one call of the sink, within the time it has.
func (l *lane) write(events []daybook.Event) (err error) {
	ctx, cancel := context.WithTimeout(l.hard, l.Timeout)
	defer cancel()
	return l.call(ctx, events)
}

// call is the sink's Write. A panic in a destination's code is that
// destination's failure.
func (l *lane) call(ctx context.Context, events []daybook.Event) (err error) {
	began := time.Now()
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
		class := attempt.ClassOf(err)
		l.health.attempts[class].Add(1)
		l.options.Observe.Attempt(l.Name, len(events), class, time.Since(began))
	}()
	return l.Sink.Write(ctx, events)
}

// panicked turns a panic into an error. Only what the runtime says is repeated:
// anything else may contain an event.
func panicked(p any) error {
	var cause error
	if known, ok := p.(runtime.Error); ok {
		cause = known
	} else {
		cause = fmt.Errorf("with a %T", p)
	}
	return &daybook.Error{Code: daybook.Internal, Reason: "panicked", Message: "the destination's code panicked", Err: cause}
}

// halve makes two pieces of one, so that the event at fault is found. The
// caller holds the lock.
func (l *lane) halve(p *piece, f *fault, now time.Time) {
	due := now
	if f.class != attempt.Permanent {
		due = now.Add(f.wait(p.tries, mostEvent, l.options.Rand()))
	}
	middle := len(p.nodes) / 2
	for _, half := range [][]*node{p.nodes[:middle:middle], p.nodes[middle:]} {
		l.pending.put(&piece{nodes: half, tries: p.tries, first: p.first, due: due})
	}
}

// judge finishes what was taken, keeps what is to be tried again, and returns
// what is not. The caller holds the lock.
func (l *lane) judge(p *piece, v *verdict, now time.Time) (dead *piece) {
	again := &piece{tries: p.tries, first: p.first}
	dead = &piece{dying: true}
	var wait time.Duration
	for i, n := range p.nodes {
		f := v.faults[i]
		switch {
		case f == nil:
			l.end(n, &l.account.counts.Delivered)
		case f.class == attempt.Permanent:
			n.state = dying
			dead.nodes = append(dead.nodes, n)
		default:
			again.nodes = append(again.nodes, n)
			wait = max(wait, f.wait(again.tries, mostEvent, l.options.Rand()))
		}
	}
	again.due = now.Add(wait)
	l.pending.put(again)
	l.touch()
	if len(dead.nodes) == 0 {
		return nil
	}
	return dead
}

package daybook

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	crand "crypto/rand"

	"daybook.dev/internal/attrs"
)

// maxEvent is the size from which an event's attributes are replaced.
const maxEvent = 1 << 20

// A draft is an event while a call writes it. They are pooled.
type draft struct {
	object attrs.Object
	packed []byte
	attrs  []slog.Attr // scratch for attributes made here
	id     [36]byte
	chance *rand.ChaCha8 // seeded by the system's own source
}

var drafts = sync.Pool{New: func() any {
	var seed [32]byte
	_, _ = crand.Read(seed[:]) // never fails
	return &draft{chance: rand.NewChaCha8(seed)}
}}

// release gives a draft back, without what it refers to.
func (e *draft) release() {
	e.object.Reset()
	clear(e.attrs)
	e.attrs = e.attrs[:0]
	if cap(e.packed) > maxPooled {
		e.packed = nil
	}
	drafts.Put(e)
}

// maxPooled is the most memory that a rare large event may leave in a pool.
const maxPooled = 64 << 10

// newID returns a random UUID. It lives in the draft until the next call.
func (e *draft) newID() string {
	var b [16]byte
	_, _ = e.chance.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	id := &e.id
	hex.Encode(id[0:8], b[0:4])
	id[8] = '-'
	hex.Encode(id[9:13], b[4:6])
	id[13] = '-'
	hex.Encode(id[14:18], b[6:8])
	id[18] = '-'
	hex.Encode(id[19:23], b[8:10])
	id[23] = '-'
	hex.Encode(id[24:36], b[10:16])
	return view(id[:])
}

// An entry is what a call says about an event besides its attributes. Those are
// handed on by themselves: in a struct they would escape to the heap.
type entry struct {
	typ  Type
	name string
	all  bool      // never sampled
	at   time.Time // when it happened; zero means now

	metric bool // it measures value
	value  float64
}

// collect gathers the attributes of an event: client, context, scope and
// call, of which the later wins.
func (c *Client) collect(ctx context.Context, e *draft, st *state, list []slog.Attr) {
	o := &e.object
	o.Reset()
	if st != nil {
		o.AddFields(st.fields)
	}
	o.AddFields(c.fields)
	from := carriedBy(ctx)
	o.AddFields(from.fields)
	from.scope.addTo(o)
	o.Add(list)
}

// actor is who did it, as the attributes say.
func actor(o *attrs.Object) string {
	if id := o.Text(keyActorID); id != "" {
		return id
	}
	return o.Text(keyUserID)
}

// begin gathers an event's attributes in the draft and returns its head, which
// lives in the draft.
func (c *Client) begin(ctx context.Context, e *draft, st *state, in entry, list []slog.Attr) Event {
	c.collect(ctx, e, st, list)
	event := Event{ID: e.newID(), Name: in.name, Type: in.typ, Actor: actor(&e.object), Time: in.at}
	if event.Time.IsZero() {
		event.Time = st.now()
	}
	if in.metric {
		e.attrs = append(e.attrs[:0],
			slog.Float64("value", in.value), slog.String("name", in.name), slog.Time("time", event.Time.UTC()))
		e.object.Add(e.attrs)
	}
	return event
}

// seal finishes an encoded event: its attributes behind its head.
func (e *draft) seal(co *core, event *Event) {
	e.packed = appendPacked(e.packed[:0], event)
	metadata := len(e.packed)
	e.packed = e.object.AppendTo(e.packed)
	if len(e.packed) > maxEvent {
		e.packed = append(e.packed[:metadata], truncatedMetadata...)
		co.truncated.Add(1)
	}
	e.packed = closePacked(e.packed, 0, metadata)
	if e.object.Replaced > 0 {
		co.replaced.Add(uint64(e.object.Replaced))
	}
}

const truncatedMetadata = `{"truncated":true,"reason":"the event was over 1 MiB"}`

// Record records that something happened and returns at once. The event has a
// new ID, the time of the call, and the attributes of the client, the context,
// its scopes and this call; of one key the last in this order is kept. Nothing
// of list is kept, and ctx is only looked into: that it ends changes nothing.
//
// What cannot be recorded is counted, see [Client.Stats]: there is no error to
// check. [Client.Enqueue], [Client.Save] and [Client.Send] are for who must know.
func (c *Client) Record(ctx context.Context, t Type, name string, list ...slog.Attr) {
	c.record(ctx, entry{typ: t, name: name}, list)
}

// RecordMetric records a measurement: an event of type Metric whose attribute
// "value" is value. For readers of old it has the attributes "name" and "time"
// too.
func (c *Client) RecordMetric(ctx context.Context, name string, value float64, list ...slog.Attr) {
	c.record(ctx, entry{typ: Metric, name: name, metric: true, value: value}, list)
}

// recording returns the state to record n events by, or nil where they are
// dropped, which is counted.
func (c *Client) recording(n int) *state {
	if c == nil || c.core == nil || c.core.off != "" {
		return nil
	}
	st := c.core.state.Load()
	if st.off != "" || st.cfg.optOutNow() != "" {
		c.core.drop(optedOut, n)
		return nil
	}
	return st
}

// record encodes and queues one event. It never panics: what a caller's own
// functions do (OptOut, Now) is their business and not the program's end.
func (c *Client) record(ctx context.Context, in entry, list []slog.Attr) {
	defer func() {
		if recover() != nil {
			c.core.drop(invalid, 1)
		}
	}()
	st := c.recording(1)
	if st == nil {
		return
	}
	e := drafts.Get().(*draft)
	defer e.release()
	event := c.begin(ctx, e, st, in, list)
	if event.Name == "" {
		c.core.drop(invalid, 1)
		return
	}
	if !in.all {
		decision := c.core.settings.current().decide(&event, e.object.Text)
		if !decision.Keep {
			c.core.drop(sampledOut, 1)
			return
		}
		event.SampleRate = decision.Rate
	}
	e.seal(c.core, &event)
	c.core.put(st, e.packed, (*lane).put)
}

// put queues a packed event in every lane, as how says.
func (co *core) put(st *state, packed []byte, how func(*lane, []byte) putResult) (full, gone bool) {
	taken := co.each(st, func(l *lane) bool {
		result := how(l, packed)
		full = full || result == putFull
		return result != putGone
	})
	if !taken {
		co.drop(closed, 1)
	}
	return full, !taken
}

// each hands something to every lane of st, and reports whether one of them took
// it. A lane that refuses has been taken away by a Reconfigure or by Close since
// st was loaded: then the lanes that have come since get it too, each at most
// once. So nothing that is recorded meanwhile misses the sinks before as well as
// those after.
func (co *core) each(st *state, hand func(*lane) (taken bool)) (taken bool) {
	var tried []*lane
	for lanes := st.lanes; len(lanes) > 0; {
		refused := false
		for _, l := range lanes {
			if hand(l) {
				taken = true
			} else {
				refused = true
			}
		}
		if !refused {
			break
		}
		tried = append(tried, lanes...)
		lanes = nil
		for _, l := range co.state.Load().lanes {
			if !slices.Contains(tried, l) {
				lanes = append(lanes, l)
			}
		}
	}
	return taken
}

// drop counts events that no sink was handed.
func (co *core) drop(why reason, n int) {
	co.dropped[why].Add(uint64(n))
	co.reporter.note(why)
}

// Event builds the event that Record would record, for [Client.Enqueue],
// [Client.Save] or [Client.Send]. A disabled client builds it as well.
func (c *Client) Event(ctx context.Context, t Type, name string, list ...slog.Attr) Event {
	if c == nil {
		c = &Client{}
	}
	var st *state
	co := c.core
	if co != nil {
		st = co.state.Load()
	} else {
		co = &core{}
	}
	e := drafts.Get().(*draft)
	defer e.release()
	event := c.begin(ctx, e, st, entry{typ: t, name: name}, list)
	e.seal(co, &event)
	built, _ := unpack(e.packed)
	return built.clone()
}

// clone returns the event in memory of its own.
func (e *Event) clone() Event {
	c := *e
	texts := e.ID + e.Name + string(e.Type) + e.Actor + e.IdempotencyKey
	next := func(n int) string {
		s := texts[:n]
		texts = texts[n:]
		return s
	}
	c.ID, c.Name, c.Type = next(len(e.ID)), next(len(e.Name)), Type(next(len(e.Type)))
	c.Actor, c.IdempotencyKey = next(len(e.Actor)), next(len(e.IdempotencyKey))
	if e.Metadata != nil {
		c.Metadata = append(json.RawMessage(nil), e.Metadata...)
	}
	return c
}

func itoa(n int) string { return strconv.Itoa(n) }

package journal

import (
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
	"daybook.dev/internal/wal"
)

// A batch is one append on its way through the writer.
type batch struct {
	payloads []byte // of all items, one behind the other
	items    []item
	runs     []run  // the items by caller
	looked   uint64 // the newest sealed chunk the items were looked for in

	// receipts belong to the caller of Append. The writer fills them in
	// before it sends to decided.
	receipts []store.Receipt
	decided  chan error // one value for each append: why nothing was decided, or nil
}

// An item is one encoded record of a batch.
type item struct {
	end    int // of its payload in batch.payloads
	check  uint32
	run    int32 // whose it is, in batch.runs
	kind   store.Kind
	unique bool // whether its keys may be there only once
	twice  bool // whether it has an idempotency key
	likely bool // whether a sealed chunk may have one of its keys
	entry  entry
	again  store.Key // of the idempotency key
	time   int64     // received, nanoseconds since 1970
}

// maxPooledBatch keeps one rare large append from pinning its buffer.
const maxPooledBatch = 1 << 20

// encode encodes records. It runs in the goroutine of whoever appends, so that
// the writer's only has to copy and sync.
func (b *batch) encode(records []store.Record, known *sealed) error {
	b.payloads, b.items, b.runs, b.looked = b.payloads[:0], b.items[:0], b.runs[:0], known.looked()
	b.receipts = make([]store.Receipt, len(records))
	for i := range records {
		r := &records[i]
		key, start := r.Key(), len(b.payloads)
		b.payloads = r.AppendPayload(b.payloads, key)
		payload := b.payloads[start:]
		if len(payload) > wal.MaxPayload {
			return failure(daybook.Invalid, "record_too_large", "an event is larger than the store can keep", nil)
		}
		again, twice := r.AgainKey()
		if n := len(b.runs); n == 0 || b.runs[n-1].caller != r.Caller {
			b.runs = append(b.runs, run{caller: r.Caller})
		}
		b.items = append(b.items, item{
			end:    len(b.payloads),
			check:  wal.Checksum(payload),
			run:    int32(len(b.runs) - 1),
			kind:   r.Kind,
			unique: r.Unique(),
			twice:  twice,
			again:  again,
			entry:  entry{key: key, digest: r.Digest},
			time:   nanoseconds(r.Received),
		})
		b.receipts[i].ID = r.Event.ID
	}
	known.look(b.items)
	return nil
}

// nanoseconds is t as records and key files have it: since 1970, 0 for none.
func nanoseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// newcomers reports whether b has events, not only what the gateway notes about
// events it has already.
func (b *batch) newcomers() bool {
	for i := range b.items {
		if b.items[i].unique || b.items[i].kind == store.KindEvent {
			return true
		}
	}
	return false
}

// size is the most bytes the batch can take in a chunk.
func (b *batch) size() int {
	return len(b.payloads) + len(b.items)*wal.RecordSize(8)
}

// fail turns the receipts that rest on the records from first on, which were
// not synced, into failures.
func (b *batch) fail(first store.Position, err error) {
	for i := range b.receipts {
		r := &b.receipts[i]
		if r.Position >= first {
			*r = store.Receipt{Status: daybook.Failed, ID: r.ID, Err: err}
		}
	}
}

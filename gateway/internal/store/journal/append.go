package journal

import (
	"context"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/store"
)

// Append implements [store.Store]. A receipt of Stored or Duplicate is given
// after the fdatasync that covers the record.
func (j *Journal) Append(ctx context.Context, records []store.Record) ([]store.Receipt, error) {
	if len(records) == 0 {
		return nil, nil
	}
	// Time that passes, not the clock: a jump of the clock is no latency.
	started := time.Now()
	defer func() { j.options.Observe.Append(time.Since(started)) }()

	b := j.batches.Get().(*batch)
	defer j.recycle(b)
	if err := b.encode(records, j.index.sealed.Load()); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, failure(daybook.Unavailable, "canceled", "the request ended before it was stored", err)
	}
	if err := j.space.err(); err != nil && b.newcomers() {
		return nil, err
	}
	if err := j.queue.put(b); err != nil {
		return nil, err
	}
	// From here on the writer decides, whatever becomes of ctx.
	if err := <-b.decided; err != nil {
		return nil, err
	}
	return b.receipts, nil
}

func (j *Journal) recycle(b *batch) {
	b.receipts = nil
	clear(b.runs)
	if cap(b.payloads) <= maxPooledBatch {
		j.batches.Put(b)
	}
}

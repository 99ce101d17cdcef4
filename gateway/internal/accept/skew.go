package accept

import (
	"daybook.dev"
	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/store"
)

// observeSkew tells how many events of b were stored whose time is far from the
// clock. Without receipts none were.
func (a *Accepter) observeSkew(b Batch, records []store.Record, receipts []store.Receipt) {
	if a.Skewed == nil {
		return
	}
	var events [admit.Future + 1]int
	for i := range receipts {
		if receipts[i].Status == daybook.Stored && records[i].Kind == store.KindEvent {
			events[admit.SkewOf(&records[i])]++
		}
	}
	for _, skew := range []admit.Skew{admit.Past, admit.Future} {
		if events[skew] > 0 {
			a.Skewed(b, skew, events[skew])
		}
	}
}

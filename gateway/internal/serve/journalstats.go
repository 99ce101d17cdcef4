package serve

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"daybook.dev/gateway/internal/store/journal"
)

// journalStats asks the journal once per scrape.
type journalStats struct {
	stats func() journal.Stats
	now   func() time.Time
}

func storeDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("daybook_"+name, help, labels, nil)
}

var (
	storeBytes    = storeDesc("store_bytes", "Bytes the journal takes on disk.")
	storeMax      = storeDesc("store_max_bytes", "Bytes the journal may take: journal.max_size.")
	storeHeld     = storeDesc("store_held_bytes", "Bytes of the journal that cannot be removed yet: being written, or needed by a destination.")
	storeFree     = storeDesc("store_free_bytes", "Bytes free where the journal is.")
	storeOldest   = storeDesc("store_oldest_seconds", "Age of the oldest event kept; 0 when there is none.")
	storeDamaged  = storeDesc("store_damaged_records_total", "Records found damaged and skipped.")
	storeQueued   = storeDesc("store_queued_bytes", "Bytes waiting to be written.")
	storeWarning  = storeDesc("store_warning", "1 while room runs out: journal.warn_at.")
	storeRefusing = storeDesc("store_refusing", "1 while new events are refused for want of room: journal.refuse_at.")
	storeEvicted  = storeDesc("store_evicted_events_total", "Events removed because the journal was full, although the destination had not received them.", "destination")
	dedupKeys     = storeDesc("dedup_keys", "Event ids and idempotency keys that are remembered to recognise duplicates.")
	dedupBytes    = storeDesc("dedup_bytes", "Bytes of memory that the remembered keys take, about.")
)

func (journalStats) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		storeBytes, storeMax, storeHeld, storeFree, storeOldest, storeDamaged, storeQueued, storeWarning, storeRefusing, storeEvicted,
		dedupKeys, dedupBytes,
	} {
		to <- d
	}
}

func (j journalStats) Collect(to chan<- prometheus.Metric) {
	s := j.stats()
	oldest := 0.0
	if !s.Oldest.IsZero() {
		oldest = max(j.now().Sub(s.Oldest).Seconds(), 0)
	}
	gauge := func(d *prometheus.Desc, v float64) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	gauge(storeBytes, float64(s.Bytes))
	gauge(storeMax, float64(s.MaxBytes))
	gauge(storeHeld, float64(s.HeldBytes))
	gauge(storeFree, float64(s.FreeBytes))
	gauge(storeOldest, oldest)
	gauge(storeQueued, float64(s.QueuedBytes))
	gauge(storeWarning, oneIf(s.Warning))
	gauge(storeRefusing, oneIf(s.Refusing))
	gauge(dedupKeys, float64(s.DedupKeys))
	gauge(dedupBytes, float64(s.DedupBytes))
	to <- prometheus.MustNewConstMetric(storeDamaged, prometheus.CounterValue, float64(s.DamagedRecords))
	for destination, events := range s.Evicted {
		to <- prometheus.MustNewConstMetric(storeEvicted, prometheus.CounterValue, float64(events), destination)
	}
}

func oneIf(set bool) float64 {
	if set {
		return 1
	}
	return 0
}

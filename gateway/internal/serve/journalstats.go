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

var (
	storeBytes   = prometheus.NewDesc("daybook_store_bytes", "Bytes the journal takes on disk.", nil, nil)
	storeFree    = prometheus.NewDesc("daybook_store_free_bytes", "Bytes free where the journal is.", nil, nil)
	storeOldest  = prometheus.NewDesc("daybook_store_oldest_seconds", "Age of the oldest event kept; 0 when there is none.", nil, nil)
	storeDamaged = prometheus.NewDesc("daybook_store_damaged_records_total", "Records found damaged and skipped.", nil, nil)
	dedupKeys    = prometheus.NewDesc("daybook_dedup_keys", "Event ids in the key files that recognise duplicates.", nil, nil)
)

func (journalStats) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{storeBytes, storeFree, storeOldest, storeDamaged, dedupKeys} {
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
	gauge(storeFree, float64(s.FreeBytes))
	gauge(storeOldest, oldest)
	gauge(dedupKeys, float64(s.DedupKeys))
	to <- prometheus.MustNewConstMetric(storeDamaged, prometheus.CounterValue, float64(s.DamagedRecords))
}

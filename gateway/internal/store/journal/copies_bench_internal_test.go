package journal

import (
	"fmt"
	"slices"
	"testing"

	"daybook.dev/gateway/internal/store"
)

// BenchmarkAppendCopies100 appends batches of 100 events of 400 bytes that are
// new, and in turns such as were stored before, in a chunk whose keys are in a
// file by now. It prints the processor time of an event and x-new, how often that
// of a new one a copy takes: whoever was not answered sends again, and everybody
// does so at the same time.
func BenchmarkAppendCopies100(b *testing.B) {
	const batch, rounds, stored = 100, 7, 150_000
	j := openForBench(b, b.TempDir())
	batchOf := func(kind string, first int) []store.Record {
		all := make([]store.Record, batch)
		for i := range all {
			all[i] = benchRecord(0)
			all[i].Event.ID = fmt.Sprintf("%s-%d", kind, first+i)
		}
		return all
	}
	add := func(all []store.Record) {
		if _, err := j.Append(b.Context(), all); err != nil {
			b.Fatal(err)
		}
	}
	for i := 0; i < stored; i += batch {
		add(batchOf("old", i))
	}
	for n := 0; !j.index.inFiles(store.KeyOf("checkout", "old-0"), store.KeyOf("checkout", fmt.Sprint("old-", stored-1))); n += batch {
		add(batchOf("later", n))
	}
	costs, next := map[string][]float64{}, 0
	b.ResetTimer()
	for r := range rounds {
		kinds := []string{"new", "old"}
		if r%2 == 1 {
			slices.Reverse(kinds)
		}
		for _, kind := range kinds {
			batches := make([][]store.Record, max(b.N/rounds, 1))
			for i := range batches {
				next += batch
				first := next
				if kind == "old" {
					first %= stored
				}
				batches[i] = batchOf(kind, first)
			}
			before := processorTime()
			for _, all := range batches {
				add(all)
			}
			costs[kind] = append(costs[kind], float64((processorTime()-before).Nanoseconds())/1e3/float64(batch*len(batches)))
		}
	}
	for _, all := range costs {
		slices.Sort(all)
	}
	b.ReportMetric(costs["new"][rounds/2], "new-µs/event")
	b.ReportMetric(costs["old"][rounds/2], "copy-µs/event")
	b.ReportMetric(costs["old"][rounds/2]/costs["new"][rounds/2], "x-new")
}

// inFiles reports whether all of the keys are in key files.
func (x *index) inFiles(keys ...store.Key) bool {
	for _, key := range keys {
		onDisk := false
		x.sealed.Load().search(key, 0, func(g *generation) bool {
			_, known, _ := g.keys.find(key)
			_, isFile := g.keys.(*keyFile)
			onDisk = known && isFile
			return known
		})
		if !onDisk {
			return false
		}
	}
	return true
}

package serve

import (
	"log/slog"

	"daybook.dev/gateway/internal/accept"
	"daybook.dev/gateway/internal/query"
)

// openPublishers opens what is remembered of publishers. What cannot be read is
// missing from traces by an id alone, and from nothing else.
func (f *following) openPublishers(path string, log *slog.Logger) {
	var err error
	if f.publishers, err = query.OpenPublishers(path); err != nil {
		log.Warn("publishers are not remembered: trace needs --caller for their events", "err", err)
	}
}

// notePublishers remembers whom the events of a batch are by. A batch has one
// publisher, or few.
func (f *following) notePublishers(b accept.Batch) {
	last := ""
	for i := range b.Events {
		publisher := b.Events[i].Publisher
		if publisher == "" || publisher == last {
			continue
		}
		last = publisher
		_ = f.publishers.Note(b.Caller.Name + "/" + publisher) // remembered until the gateway stops
	}
}

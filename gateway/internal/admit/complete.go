package admit

import (
	"time"

	"github.com/google/uuid"
)

// complete fills in what the caller left to the gateway, the id and the time,
// and adds the audit envelope.
func (a *Admitter) complete(s *Submission, received time.Time) {
	e := &s.Event
	if e.ID == "" {
		e.ID = a.newID()
	}
	if e.Time.IsZero() && !s.TimeGiven {
		e.Time = received
	}
	e.Time = e.Time.UTC()
	if s.Envelope != nil {
		e.Metadata = s.Envelope.appendTo(e.Metadata)
	}
}

// newID returns a random UUID. It carries no time on purpose: ids that grow
// with time pile up on one node of a store that splits by key.
func (a *Admitter) newID() string {
	if a.NewID != nil {
		return a.NewID()
	}
	return uuid.NewString()
}

package eventjson

import (
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"daybook.dev/gateway/internal/intake/strictjson"
)

// checkComplete refuses an event that lacks what its sender should have made. A
// name is what every event needs, and asked for where all are.
func (e *eventReader) checkComplete() {
	if !e.form.Complete {
		return
	}
	const lacks = " is missing or empty"
	switch {
	case e.given&(1<<eventID) == 0:
		e.refuse("event_id", reasonMissingID, "event_id"+lacks)
	case e.timeText == nil:
		e.refuse("event_time", reasonMissingTime, "event_time"+lacks)
	case e.given&(1<<eventType) == 0:
		e.refuse("event_type", reasonMissingType, "event_type"+lacks)
	}
}

// appendDataset appends the dataset to the metadata.
func (e *eventReader) appendDataset() {
	if e.members > 0 {
		e.out = append(e.out, ',')
	}
	e.members++
	e.out = append(e.out, `"`+DatasetName+`":`...)
	e.out, _ = jsontext.AppendQuote(e.out, e.form.Dataset) // its error says that it replaced invalid UTF-8
}

// truncate replaces the metadata of an event that is too large by a note that it
// was: what happened, to whom and when is worth more than nothing.
func (e *eventReader) truncate() {
	s := &e.events[e.index]
	if e.form.EventBytes <= 0 || s.Err != nil {
		return
	}
	if e.texts.size(e.index)+len(s.Event.Metadata) <= e.form.EventBytes && e.scan.Flaw().Reason != strictjson.TooManyNames {
		return
	}
	e.out = append(e.out[:e.mark], fmt.Sprintf(`{"truncated":true,"reason":"the event was over %d bytes"`, e.form.EventBytes)...)
	e.members = 2
	e.closeMetadata()
	s.Truncated = true
}

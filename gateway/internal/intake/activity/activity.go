// Package activity receives what clients of the activity contract send: events
// that their senders have given an id, a time, a type and a name, as flat JSON
// objects. There are three routes, as there have always been.
//
//	/events/{dataset}       one object on each line, from command lines and servers
//	/local/track            one object
//	/v1/telemetry/events    {"events":[…]}, from web pages
//
// Each answers as POST /v1/events does. An event that is too large is not
// refused: its attributes are replaced by a note.
package activity

import (
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"daybook.dev"
	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/eventjson"
)

// Protocol is this protocol's name in rows and metrics.
const Protocol = "activity"

// The paths, as patterns of http.ServeMux.
const (
	EventsPath    = "/events/{dataset}"
	TrackPath     = "/local/track"
	TelemetryPath = "/v1/telemetry/events"
)

// reasonInvalidDataset refuses a request for its path.
const reasonInvalidDataset = "invalid_dataset"

const (
	defaultEventBytes = 1 << 20
	maxDatasetBytes   = 128
)

// A Service answers the three routes. Set the fields before the first request;
// the door's Accept and Body are required.
type Service struct {
	intake.Door

	// EventBytes is how large an event may be before its attributes are replaced:
	// what the gateway takes at most. Zero means 1 MiB.
	EventBytes int
}

// Routes are the handlers of the service, by the patterns they belong to.
func (s *Service) Routes() map[string]http.Handler {
	return map[string]http.Handler{
		EventsPath:    s.handler(eventjson.Form{}),
		TrackPath:     s.handler(eventjson.Form{One: true}),
		TelemetryPath: s.handler(eventjson.Form{List: "events"}),
	}
}

// handler answers the route whose bodies have that form.
func (s *Service) handler(form eventjson.Form) http.Handler {
	form.Complete, form.EventBytes = true, s.EventBytes
	if form.EventBytes <= 0 {
		form.EventBytes = defaultEventBytes
	}
	protocol := intake.Protocol{
		Name: Protocol, Expects: expects,
		Open: func(r *http.Request, pay func(bytes int64) *daybook.Error) intake.Decoder {
			own := form
			own.Dataset = r.PathValue("dataset")
			return eventjson.New(own, pay)
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		outcomes, err := s.Take(protocol, r)
		s.Answer(w, intake.StatusOf(outcomes, err), outcomes, err, intake.AppendResults)
	})
}

// expects refuses what is no JSON, and a dataset that nobody could name later.
func expects(r *http.Request) *daybook.Error {
	if err := intake.CheckMediaType(r); err != nil {
		return err
	}
	dataset := r.PathValue("dataset")
	unfit := func(c rune) bool { return !unicode.IsPrint(c) }
	if len(dataset) > maxDatasetBytes || !utf8.ValidString(dataset) || strings.ContainsFunc(dataset, unfit) {
		return &daybook.Error{
			Code: daybook.Invalid, Field: "dataset", Reason: reasonInvalidDataset,
			Message: "the dataset in the path must be at most 128 bytes of text that can be printed",
		}
	}
	return nil
}

// Package plainhttp is Daybook's own protocol, POST /v1/events: JSON as people
// and curl write it, one result per event.
//
// A body is one JSON object, several with one on each line (NDJSON), or an
// array of them; its first byte that is not blank decides, whatever the
// Content-Type says, unless that names a format that is known to be another.
// What belongs to the body as a whole (its size, its compression, an array that
// is no JSON) refuses it as a whole, and nothing of it is stored. Everything
// else refuses one event, and its neighbours are stored.
//
// How such bodies are read and answered is what other protocols need too, so it
// stands in packages eventjson and intake; this one has the route.
package plainhttp

// Protocol is this protocol's name in rows and metrics.
const Protocol = "http"

// Path is where the handler belongs.
const Path = "/v1/events"

package cloudevents

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"daybook.dev"
	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/strictjson"
)

// longest is how many bytes an actor, and what an id is unique within, may have.
const longest = 256

// An attribute is one of an event's context attributes.
type attribute struct {
	name string
	json []byte // as written in structured mode
}

func (a *attribute) isText() bool { return len(a.json) > 0 && a.json[0] == '"' }

// text is the attribute's value where that is text.
func (a *attribute) text() string {
	if !a.isText() {
		return ""
	}
	return string(strictjson.AppendText(nil, a.json))
}

// absent reports whether nothing is said: null and no text are as good as no
// attribute (JSON format, section 2.2; attributes of text are never empty).
func (a *attribute) absent() bool {
	return a.json == nil || string(a.json) == "null" || string(a.json) == `""`
}

// An event is one CloudEvent as it was read.
type event struct {
	mark       int // where its metadata begins in the decoder's out
	attributes []attribute
	data       payload
	base64     attribute
	err        *daybook.Error
}

// refuse refuses the event, unless it was refused before.
func (e *event) refuse(field, reason, message string) {
	if e.err == nil {
		e.err = refusal(field, reason, message)
	}
}

// find returns an attribute, nil where it is absent.
func (e *event) find(name string) *attribute {
	i := slices.IndexFunc(e.attributes, func(a attribute) bool { return a.name == name })
	if i < 0 || e.attributes[i].absent() {
		return nil
	}
	return &e.attributes[i]
}

// textOf returns the text of an attribute, "" where it has none.
func (e *event) textOf(name string) string {
	if a := e.find(name); a != nil {
		return a.text()
	}
	return ""
}

// take returns the text of an attribute that is an event's own, and takes it from
// the others. One that is no text refuses the event.
func (e *event) take(name string) string {
	a := e.find(name)
	if a == nil {
		return ""
	}
	if !a.isText() {
		e.refuse(name, reasonWrongType, name+" must be a string")
	}
	text := a.text()
	a.json = nil
	return text
}

// submission makes a Daybook event of what was read.
func (d *decoder) submission(e *event) admit.Submission {
	version := e.take("specversion")
	s := admit.Submission{Event: daybook.Event{
		ID: e.take("id"), Name: e.take("type"), Actor: e.actor(),
		Type: daybook.Type(e.extension("eventtype")), IdempotencyKey: e.extension("idempotencykey"), SampleRate: e.sampleRate(),
	}}
	s.Publisher = publisher(e.textOf("source"))
	e.time(&s)
	e.require(version, &s.Event)
	if e.err == nil {
		s.Event.Metadata = d.metadata(e)
	}
	s.Err = e.err
	return s
}

// require refuses an event that lacks what every CloudEvent has.
func (e *event) require(version string, made *daybook.Event) {
	source := e.find("source")
	switch {
	case version != "1.0":
		e.refuse("specversion", reasonInvalidValue, "specversion must be 1.0")
	case made.ID == "":
		e.refuse("id", reasonMissingID, "id is missing or empty")
	case source == nil:
		e.refuse("source", reasonMissingSource, "source is missing or empty")
	case !source.isText():
		e.refuse("source", reasonWrongType, "source must be a string")
	case strings.TrimSpace(made.Name) == "":
		e.refuse("type", reasonBlankName, "type is required and must not be blank")
	}
}

// publisher is within what the event's id is unique. A source may be as long as
// a URI; what is too long for a name is told apart by its hash.
func publisher(source string) string {
	if len(source) <= longest {
		return source
	}
	sum := sha256.Sum256([]byte(source))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// actor takes the subject, unless it is longer than an actor may be: subjects may
// be paths of files.
func (e *event) actor() string {
	if len(e.textOf("subject")) > longest {
		return ""
	}
	return e.take("subject")
}

// extension takes an extension that Daybook publishes events with. One that is no
// text is somebody else's.
func (e *event) extension(name string) string {
	if a := e.find(name); a == nil || !a.isText() {
		return ""
	}
	return e.take(name)
}

// sampleRate takes the rate that Daybook publishes events with. One that is no
// share between none and all is somebody else's.
func (e *event) sampleRate() float64 {
	const name = "samplerate"
	rate, err := strconv.ParseFloat(e.textOf(name), 64)
	if err != nil || rate <= 0 || rate >= 1 {
		return 0
	}
	e.take(name)
	return rate
}

func (e *event) time(s *admit.Submission) {
	text := e.take("time")
	if text == "" {
		return
	}
	t, problem := intake.ParseTime([]byte(text))
	if problem != "" {
		e.refuse("time", reasonInvalidTime, "time"+problem)
		return
	}
	s.Event.Time, s.TimeGiven = t, true
}

// metadata is the data, and beside it what the event has no place for.
func (d *decoder) metadata(e *event) []byte {
	out := d.out
	if !e.data.object {
		out = append(out, '{')
	}
	if !e.data.kept { // else the attributes of the CloudEvent that it was at first stay
		if len(out) > e.mark+1 {
			out = append(out, ',')
		}
		out = append(out, `"`+memberName+`":`...)
		out = appendAttributes(out, e.rest())
	}
	out = append(out, '}')
	d.out = out
	return d.out[e.mark:len(d.out):len(d.out)]
}

func appendAttributes(dst []byte, attributes []attribute) []byte {
	dst = append(dst, '{')
	for i, a := range attributes {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst, _ = jsontext.AppendQuote(dst, a.name) // names are valid UTF-8, or the event is refused
		dst = append(dst, ':')
		dst = append(dst, a.json...)
	}
	return append(dst, '}')
}

// rest lists what the event has no place for, in the order of names, so that the
// same event is the same whatever it was sent as.
func (e *event) rest() []attribute {
	if !e.data.base64 && isPlainJSON(e.textOf("datacontenttype")) {
		e.take("datacontenttype")
	}
	if e.data.other != nil {
		name := "data"
		if e.data.base64 {
			name = "data_base64"
		}
		e.attributes = append(e.attributes, attribute{name: name, json: e.data.other})
	}
	rest := slices.DeleteFunc(slices.Clone(e.attributes), func(a attribute) bool { return a.absent() })
	slices.SortFunc(rest, func(a, b attribute) int { return strings.Compare(a.name, b.name) })
	return rest
}

// isPlainJSON reports whether a type of data says no more than none: JSON is what
// data is where nobody says anything.
func isPlainJSON(contentType string) bool { return mediaType(contentType) == "application/json" }

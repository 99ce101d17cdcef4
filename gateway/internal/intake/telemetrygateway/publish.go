package telemetrygateway

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"daybook.dev"
)

const (
	envelope  = "_eventLog" // admit.EnvelopeKey
	publisher = "publisher"
)

// Publish returns the message of an event as the telemetry gateway published
// it: its value is appended to dst. An event that did not come by this protocol
// has none, and the error's code is Invalid.
func Publish(dst []byte, e *daybook.Event) (value []byte, attributes map[string]string, err error) {
	stored, err := members(jsontext.Value(e.Metadata))
	if err != nil {
		return dst, nil, foreign()
	}
	from, err := members(stored.value(envelope))
	if err != nil || from.value(publisher) == nil {
		return dst, nil, foreign()
	}
	attributes, err = attributesOf(stored, from.value(publisher))
	if err != nil {
		return dst, nil, err
	}
	dst = appendText(append(dst, `{"event":{"id":`...), e.ID)
	dst = appendTimestamp(append(dst, `,"timestamp":`...), e.Time)
	for _, m := range stored {
		if m.name != envelope {
			dst = append(appendText(append(dst, ','), m.name), ':')
			dst = appendEscaped(dst, m.value)
		}
	}
	dst = appendEscaped(append(dst, `},"metadata":`...), from.value(publisher))
	return append(dst, '}'), attributes, nil
}

func foreign() *daybook.Error {
	return &daybook.Error{
		Code: daybook.Invalid, Where: "telemetry-gateway", Reason: "not_telemetry",
		Message: "the event did not come by the telemetry gateway's protocol, so that it has no message of that form: use where: 'protocol == \"telemetry-gateway\"'",
	}
}

// attributesOf returns the attributes of a message: who published it, what it is
// about, and which private members readers have to expect.
func attributesOf(event object, by jsontext.Value) (map[string]string, error) {
	source, err := sourceOf(by)
	if err != nil {
		return nil, err
	}
	attributes := map[string]string{
		"publisher.source": source,
		"event.feature":    textOf(event.value("feature")),
		"event.action":     textOf(event.value("action")),
	}
	parameters, _ := members(event.value("parameters")) // none where there are none
	private := parameters.value("privateMetadata")
	attributes["event.hasPrivateMetadata"] = strconv.FormatBool(private != nil)
	numbers, _ := members(parameters.value("metadata"))
	for _, n := range numbers {
		if marks(n) {
			attributes["event."+n.name] = "true"
		}
	}
	return attributes, nil
}

// marks reports whether a numeric member says that private metadata of some
// kind was recorded.
func marks(m member) bool {
	const prefix, least = "recordsPrivateMetadata", 2
	if kind, ok := strings.CutPrefix(m.name, prefix); !ok || len(kind) < least {
		return false
	}
	n, err := strconv.ParseFloat(strings.Trim(string(m.value), `"`), 64) // protojson quotes infinities
	return err == nil && n > 0
}

// sourceOf returns the word for the kind of publisher, or a service's id.
func sourceOf(by jsontext.Value) (string, error) {
	stream, err := members(by)
	if err != nil {
		return "", foreign()
	}
	identifier, err := members(stream.value("identifier"))
	if err != nil || len(identifier) != 1 {
		return "", foreign()
	}
	switch who := identifier[0]; who.name {
	case "licensedInstance":
		return "licensed_instance", nil
	case "unlicensedInstance":
		return "unlicensed_instance", nil
	case "managedService":
		service, err := members(who.value)
		if err != nil {
			return "", foreign()
		}
		return textOf(service.value("serviceId")), nil
	}
	return "", foreign()
}

// appendTimestamp writes t as protojson does: in UTC, with 0, 3, 6 or 9 digits
// of a second.
func appendTimestamp(dst []byte, t time.Time) []byte {
	layout := "2006-01-02T15:04:05.000000000Z"
	switch n := t.Nanosecond(); {
	case n == 0:
		layout = "2006-01-02T15:04:05Z"
	case n%1e6 == 0:
		layout = "2006-01-02T15:04:05.000Z"
	case n%1e3 == 0:
		layout = "2006-01-02T15:04:05.000000Z"
	}
	return append(t.UTC().AppendFormat(append(dst, '"'), layout), '"')
}

func appendText(dst []byte, text string) []byte {
	quoted, _ := jsontext.AppendQuote(nil, text) // invalid UTF-8 is replaced; it was refused at the door
	return appendEscaped(dst, quoted)
}

// appendEscaped writes JSON compactly, with <, > and & as escapes: what the
// original's encoder did, and readers may compare bytes. None of the three can
// stand outside of a text.
func appendEscaped(dst []byte, v jsontext.Value) []byte {
	compact := bytes.Clone(v)
	_ = (*jsontext.Value)(&compact).Compact() // it was parsed before
	for _, b := range compact {
		switch b {
		case '<', '>', '&':
			dst = append(dst, `\u00`...)
			dst = append(dst, "0123456789abcdef"[b>>4], "0123456789abcdef"[b&0xf])
		default:
			dst = append(dst, b)
		}
	}
	return dst
}

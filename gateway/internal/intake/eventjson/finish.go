package eventjson

import (
	"bytes"
	"cmp"
	"fmt"

	"daybook.dev"
	"daybook.dev/gateway/internal/intake/rfc3339"
	"daybook.dev/gateway/internal/intake/strictjson"
)

// reservedName is where destinations are told what only the gateway knows. It
// is nobody's to set, as a member or in the metadata.
const reservedName = "_eventLog"

// fromGateway reports whether a member says what only a gateway can say. From a
// caller it is not believed and not kept, and no reason to refuse the event
// either: it is how a row of `daybook tail` looks.
func fromGateway(name []byte) bool {
	switch string(name) {
	case "ingested_at", "caller", "protocol", "instance", reservedName:
		return true
	}
	return false
}

// reserved reports whether a member is the dataset's, which the route names.
func (e *eventReader) reserved(name []byte) bool {
	return e.form.Dataset != "" && string(name) == DatasetName
}

// gatewayMember reads a member that is left out.
func (e *eventReader) gatewayMember(name []byte) {
	if string(name) == "ingested_at" && e.scan.Kind() == '"' {
		e.ingestedAt = e.scan.Text()
		return
	}
	e.skip()
}

// finish completes the submission when all members are read. After a text that
// is no JSON there is nothing to complete: whoever knows where it stands, in a
// line or an array, says so.
func (e *eventReader) finish() {
	if e.scan.Broken().Is() {
		return
	}
	e.closeMetadata()
	e.checkExtras()
	e.finishTime()
	if !e.hasActor {
		e.actorFromUserID()
	}
	e.checkComplete()
	e.flaw()
	e.truncate()
}

func (e *eventReader) closeMetadata() {
	if e.form.Dataset != "" {
		e.appendDataset()
	}
	if e.members == 0 && (e.metadata == 0 || e.form.Data != "") {
		e.out = e.out[:e.mark]
		return
	}
	e.out = append(e.out, '}')
	e.events[e.index].Event.Metadata = e.out[e.mark:len(e.out):len(e.out)]
}

// checkExtras refuses an event in which a member that joined the metadata was
// there already.
func (e *eventReader) checkExtras() {
	if e.metadata == 0 {
		return
	}
	for _, name := range e.extras {
		if e.scan.Has(e.metadata, name) {
			field := cmp.Or(e.form.Data, "metadata") + "." + clip(name)
			e.refuse(field, strictjson.DuplicateName, field+" is a member of the event too; send it once")
			return
		}
	}
}

// finishTime parses the event's time. In a row of `daybook tail` whose event_ts
// is its ingested_at, the gateway filled in the time; then it is kept, but not
// counted as given: the same event sent twice has the same digest only when
// both times say so.
func (e *eventReader) finishTime() {
	if e.timeText == nil {
		return
	}
	t, problem := rfc3339.Parse(e.timeText)
	if problem != "" {
		e.refuse(e.timeMember, reasonInvalidTime, e.timeMember+problem)
		return
	}
	s := &e.events[e.index]
	s.Event.Time, s.TimeGiven = t, !bytes.Equal(e.timeText, e.ingestedAt)
}

// actorFromUserID takes the actor from user_id where that is text or a number.
func (e *eventReader) actorFromUserID() {
	if len(e.userID) == 0 || e.scan.Flaw().Is() {
		return
	}
	switch c := e.userID[0]; {
	case c == '-' || c-'0' <= 9:
		e.texts.add(e.index, actorID, e.userID)
	case c == '"':
		e.texts.addQuoted(e.index, actorID, e.userID)
	}
}

// flaw refuses the event for what the scanner noticed about its JSON. That
// comes before anything its members are refused for.
func (e *eventReader) flaw() {
	p := e.scan.Flaw()
	if !p.Is() {
		return
	}
	if p.Reason == strictjson.TooManyNames && e.form.EventBytes > 0 {
		return // then it is too large, which truncate mends
	}
	e.events[e.index].Err = Flawed(p)
}

// Flawed refuses an event for a flaw of its JSON.
func Flawed(p strictjson.Problem) *daybook.Error {
	switch p.Reason {
	case strictjson.TooManyNames:
		return refusal("", reasonEventTooLarge, p.What)
	case strictjson.DuplicateName:
		return refusal(p.Name, p.Reason, fmt.Sprintf("%q stands twice in one object, again at byte %d", p.Name, p.Offset))
	case strictjson.TooDeep:
		return refusal("metadata", p.Reason, fmt.Sprintf("the metadata nests more than %d levels, at byte %d", MaxDepth, p.Offset))
	default:
		return refusal("", p.Reason, fmt.Sprintf("%s, at byte %d", p.What, p.Offset))
	}
}

// clip shortens a name for a message.
func clip(name []byte) string {
	const most = 64
	if len(name) <= most {
		return string(name)
	}
	return string(bytes.ToValidUTF8(name[:most], nil)) + "…"
}

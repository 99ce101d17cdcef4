package eventjson

import (
	"bytes"

	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/intake/strictjson"
)

// MaxDepth is how deep JSON may nest, where the metadata object is level 1.
const MaxDepth = 64

// event reads one value and appends the submission it makes: what the members
// say, or why it is refused.
//
// The event's own members are text; null and "" count as absent, as half of all
// encoders write one of them for a value that is not there. The same goes for
// metadata, an object. Of user_id, which stays in the metadata, the text or
// number stands in for an actor_id that is absent. What only a gateway may say
// (see fromGateway) is read and left out, so that rows of `daybook tail` can be
// sent again; every other member joins the metadata.
func (d *Decoder) event() {
	d.events = append(d.events, admit.Submission{})
	e := eventReader{Decoder: d, index: len(d.events) - 1, mark: len(d.out)}
	if d.scan.Kind() != '{' {
		e.skip()
		e.refuse("", reasonNotAnObject, "an event must be a JSON object")
		e.flaw()
		return
	}
	d.extras = d.extras[:0]
	d.out = append(d.out, '{')
	d.scan.EnterObject()
	for {
		name, more := d.scan.Member()
		if !more {
			break
		}
		e.member(name)
	}
	e.finish()
}

// An eventReader reads one event.
type eventReader struct {
	*Decoder
	index int // in events
	mark  int // where the event's metadata begins in out

	metadata strictjson.Object // the object whose members joined those of the event; 0 before it was read
	members  int               // written to the metadata
	hasActor bool
	given    uint8  // a bit for each member that is in texts
	userID   []byte // the value of user_id, as written

	timeText   []byte // of event_ts or event_time
	timeMember string // which of them
	ingestedAt []byte // text of ingested_at
}

// member reads the value of the event's member called name.
func (e *eventReader) member(name []byte) {
	switch {
	case e.own(name):
	case e.joins(name):
		e.joinObject(name)
	case fromGateway(name):
		e.gatewayMember(name)
	case e.reserved(name):
		e.skip()
	default:
		e.extra(name)
	}
}

// own reads the value of a member that is the event's own, and reports whether
// it is one.
func (e *eventReader) own(name []byte) bool {
	switch string(name) {
	case "event_id":
		e.text(eventID)
	case "event_name":
		e.text(eventName)
	case "event_type":
		e.text(eventType)
	case "actor_id":
		e.text(actorID)
	case "idempotency_key":
		e.text(idempotencyKey)
	case "event_ts":
		e.time("event_ts")
	case "event_time":
		e.time("event_time")
	case "sample_rate":
		e.sampleRate()
	default:
		if e.form.Time == "" || string(name) != e.form.Time {
			return false
		}
		e.time(e.form.Time)
	}
	return true
}

// joins reports whether the members of the object called name join those of the
// event.
func (e *eventReader) joins(name []byte) bool {
	if e.form.Data != "" {
		return string(name) == e.form.Data
	}
	return string(name) == "metadata"
}

// text reads one of the event's own members.
func (e *eventReader) text(m member) {
	text := e.optionalText(memberNames[m])
	if len(text) == 0 || e.form.Complete && len(bytes.TrimSpace(text)) == 0 {
		return
	}
	if e.given&(1<<m) != 0 { // twice in one object is a flaw of it; this is for two
		if !bytes.Equal(text, e.texts.of(e.index, m)) {
			e.refuse(memberNames[m], strictjson.DuplicateName, memberNames[m]+" stands in the event and in its "+e.form.Data+", and differs")
		}
		return
	}
	e.given |= 1 << m
	e.texts.add(e.index, m, text)
	e.hasActor = e.hasActor || m == actorID
}

// time reads the event's time, to be parsed when all members are known.
func (e *eventReader) time(name string) {
	text := e.optionalText(name)
	if len(text) == 0 {
		return
	}
	if e.timeText != nil {
		e.refuse("event_time", reasonTwoTimes, e.timeMember+" and "+name+" are the same member; send one of them")
	}
	e.timeText, e.timeMember = text, name
}

// optionalText reads a string or null. It returns nothing for null, and for a
// text that is no Unicode, which is a flaw of the event and must not be echoed.
func (e *eventReader) optionalText(name string) []byte {
	switch e.scan.Kind() {
	case '"':
		flawed := e.scan.Flaw().Is()
		text := e.scan.Text()
		if !flawed && e.scan.Flaw().Is() {
			return nil
		}
		return text
	case 'n':
	default:
		e.refuse(name, reasonWrongType, name+" must be a string")
	}
	e.skip()
	return nil
}

// joinObject reads an object whose members join the others.
func (e *eventReader) joinObject(called []byte) {
	if e.scan.Kind() != '{' {
		if e.scan.Kind() != 'n' {
			e.refuse(string(called), reasonWrongType, string(called)+" must be an object")
		}
		e.skip()
		return
	}
	e.metadata = e.scan.EnterObject()
	for {
		name, more := e.scan.Member()
		if !more {
			return
		}
		switch {
		case string(name) == reservedName, e.reserved(name):
			e.skip()
		case e.form.Data != "" && e.own(name):
		default:
			e.join(name)
		}
	}
}

// extra reads a member that is not the event's own: it joins the metadata.
func (e *eventReader) extra(name []byte) {
	if !e.scan.Flaw().Is() { // else it is refused whatever they are called
		e.extras = append(e.extras, name)
	}
	e.join(name)
}

// join appends a member to the metadata.
func (e *eventReader) join(name []byte) {
	if e.members > 0 {
		e.out = append(e.out, ',')
	}
	e.members++
	e.out = append(e.out, e.scan.QuotedName()...)
	e.out = append(e.out, ':')
	start := len(e.out)
	e.out = e.scan.AppendValue(e.out, MaxDepth-1)
	if string(name) == "user_id" {
		e.userID = e.out[start:]
	}
}

// skip reads a value and leaves it out.
func (e *eventReader) skip() {
	mark := len(e.out)
	e.out = e.scan.AppendValue(e.out, MaxDepth-1)[:mark]
}

// refuse refuses the event, unless it was refused before.
func (e *eventReader) refuse(field, reason, message string) {
	if e.events[e.index].Err == nil {
		e.events[e.index].Err = refusal(field, reason, message)
	}
}

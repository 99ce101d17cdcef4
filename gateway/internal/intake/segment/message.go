package segment

import (
	"fmt"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/strictjson"
)

// A message is one that was read.
type message struct {
	kind     kind
	id       span // in texts; so are the next two
	name     span
	actor    span
	metadata span // in out, and so is the next one
	context  span // inside the metadata; the value of a context that is an object

	hasContext, hasIntegrations bool
	time                        time.Time
	timeGiven                   bool
	sentAt                      time.Time
	err                         *daybook.Error
}

// A reader reads one message.
type reader struct {
	*decoder
	message

	mark    int    // where its metadata begins in out
	members int    // written to it
	event   []byte // the value of event, as written
	stamp   []byte // the value of timestamp, as written
	typed   bool   // it says its kind itself
	first   bool   // it has an originalTimestamp
	user    []byte // the text of userId
	visitor []byte // the text of anonymousId
}

// message reads one message and notes what it says, or why it is refused.
func (d *decoder) message() {
	r := reader{decoder: d, mark: len(d.out), message: message{kind: d.path}}
	d.scratch = d.scratch[:0]
	if d.scan.Kind() != '{' {
		d.scan.AppendValue(nil, maxDepth)
		r.refuse("", reasonNotAnObject, "a message must be a JSON object")
		d.messages = append(d.messages, r.message)
		return
	}
	d.out = append(d.out, '{')
	d.scan.EnterObject()
	for d.shed == nil {
		name, more := d.scan.Member()
		if !more {
			break
		}
		r.member(name)
	}
	r.finish()
	d.messages = append(d.messages, r.message)
}

// member reads the value of the message's member called name.
func (r *reader) member(name []byte) {
	switch string(name) {
	case "messageId":
		r.id = r.keep(r.text("messageId"))
	case "type":
		r.typeMember()
	case "event":
		r.event = r.aside()
	case "userId":
		r.user = r.person(name)
	case "anonymousId":
		r.visitor = r.person(name)
	case "timestamp":
		r.timestamp()
	case "originalTimestamp":
		r.first = true
		r.join()
	case "sentAt":
		r.sentAt = r.instant()
	case "writeKey":
		r.writeKey()
	case admit.EnvelopeKey: // the gateway's own
		r.scan.AppendValue(nil, maxDepth)
	case "context":
		r.hasContext = true
		object := r.scan.Kind() == '{'
		if value := r.join(); object {
			r.context = value
		}
	case "integrations":
		r.hasIntegrations = true
		r.join()
	default:
		r.join()
	}
}

// aside reads a value that does not join the metadata, or not yet.
func (r *reader) aside() []byte {
	start := len(r.scratch)
	r.scratch = r.scan.AppendValue(r.scratch, maxDepth-1)
	return r.scratch[start:]
}

// decoded returns the text of a string as it was written.
func (r *reader) decoded(quoted []byte) []byte {
	start := len(r.scratch)
	r.scratch = strictjson.AppendText(r.scratch, quoted)
	return r.scratch[start:]
}

// typeMember reads the kind of a message, which in a batch only it says.
func (r *reader) typeMember() {
	if r.scan.Kind() != '"' {
		r.refuse("type", reasonWrongType, "type must be a string")
		r.scan.AppendValue(nil, maxDepth)
		return
	}
	value := r.join()
	if r.scan.Flaw().Is() || r.scan.Broken().Is() {
		return
	}
	k := kind(r.decoded(r.out[value.start:value.end]))
	switch {
	case types[k] == "":
		r.refuse("type", reasonInvalidValue, "type must be one of track, identify, page, screen, group, alias")
	case r.kind != batch && r.kind != k:
		r.refuse("type", reasonInvalidValue, fmt.Sprintf("the message says that it is of type %s, and was sent to where those of type %s are", k, r.kind))
	}
	r.kind, r.typed = k, true
}

// join appends a member to the metadata and returns where its value is.
func (r *reader) join() span {
	if r.members > 0 {
		r.out = append(r.out, ',')
	}
	r.members++
	r.out = append(r.out, r.scan.QuotedName()...)
	r.out = append(r.out, ':')
	start := len(r.out)
	r.out = r.scan.AppendValue(r.out, maxDepth-1)
	return span{start, len(r.out)}
}

// add appends a member that the message does not have.
func (r *reader) add(label string, value []byte) {
	if r.members > 0 {
		r.out = append(r.out, ',')
	}
	r.members++
	r.out = append(append(append(r.out, label...), ':'), value...)
}

// text reads a member that holds text; null is as good as absent.
func (r *reader) text(name string) []byte {
	switch r.scan.Kind() {
	case '"':
		return r.scan.Text()
	case 'n':
	default:
		r.refuse(name, reasonWrongType, name+" must be a string")
	}
	r.scan.AppendValue(nil, maxDepth)
	return nil
}

// person reads an id of somebody, which joins the metadata: a text, or a number
// as some databases count people.
func (r *reader) person(name []byte) []byte {
	k := r.scan.Kind()
	value := r.join()
	written := r.out[value.start:value.end]
	switch k {
	case '"':
		if r.scan.Flaw().Is() || r.scan.Broken().Is() {
			return nil
		}
		return r.decoded(written)
	case '0':
		return written
	case 'n':
	default:
		r.refuse(string(name), reasonWrongType, string(name)+" must be a string")
	}
	return nil
}

func (r *reader) timestamp() {
	if k := r.scan.Kind(); k != '"' {
		if k != 'n' {
			r.refuse("timestamp", reasonWrongType, "timestamp must be a string with a time of RFC 3339")
		}
		r.scan.AppendValue(nil, maxDepth)
		return
	}
	r.stamp = r.aside()
}

// keep notes one of the texts that the event has of its own.
func (r *reader) keep(text []byte) span {
	start := len(r.texts)
	r.texts = append(r.texts, text...)
	return span{start, len(r.texts)}
}

// finish completes the message when all members are read.
func (r *reader) finish() {
	if r.scan.Broken().Is() {
		return
	}
	r.flaw()
	if r.err != nil {
		r.out = r.out[:r.mark]
		return
	}
	r.whoAndWhat()
	r.when()
	if !r.typed && r.kind != batch {
		r.add(`"type"`, []byte(`"`+string(r.kind)+`"`))
	}
	r.out = append(r.out, '}')
	r.metadata = span{r.mark, len(r.out)}
}

// whoAndWhat finds the actor and the name.
func (r *reader) whoAndWhat() {
	r.actor = r.keep(r.user)
	if len(r.user) == 0 {
		r.actor = r.keep(r.visitor)
	}
	switch {
	case r.kind == batch:
		r.refuse("type", reasonInvalidValue, "type is missing: a message in a batch must say of which it is")
	case r.kind != track:
		r.name = r.keep([]byte(r.kind))
		if r.event != nil {
			r.add(`"event"`, r.event)
		}
	case len(r.event) > 0 && r.event[0] == '"':
		r.name = r.keep(r.decoded(r.event))
	case len(r.event) > 0 && r.event[0] != 'n':
		r.refuse("event", reasonWrongType, "event must be a string")
	default:
		r.refuse("event", reasonBlankName, "event is missing: a track call must say what happened")
	}
}

// when finds the time, as the sender has it.
func (r *reader) when() {
	if r.stamp == nil || len(r.stamp) <= len(`""`) {
		return
	}
	t, problem := intake.ParseTime(r.decoded(r.stamp))
	if problem != "" {
		r.refuse("timestamp", reasonInvalidTime, "timestamp"+problem)
		return
	}
	r.time, r.timeGiven = t, true
	name := `"originalTimestamp"`
	if r.first {
		name = `"timestamp"`
	}
	r.add(name, r.stamp)
}

// flaw refuses the message for what the scanner noticed about its JSON. That
// comes before anything its members are refused for.
func (r *reader) flaw() {
	p := r.scan.Flaw()
	switch {
	case !p.Is():
	case p.Reason == strictjson.TooManyNames:
		r.err = refusal("", reasonEventTooLarge, p.What)
	case p.Reason == strictjson.DuplicateName:
		r.err = refusal(p.Name, p.Reason, fmt.Sprintf("%q stands twice in one object, again at byte %d", p.Name, p.Offset))
	case p.Reason == strictjson.TooDeep:
		r.err = refusal("metadata", p.Reason, fmt.Sprintf("the message nests more than %d levels, at byte %d", maxDepth, p.Offset))
	default:
		r.err = refusal("", p.Reason, fmt.Sprintf("%s, at byte %d", p.What, p.Offset))
	}
}

// refuse refuses the message, unless it was refused before.
func (r *reader) refuse(field, reason, message string) {
	if r.err == nil {
		r.err = refusal(field, reason, message)
	}
}

package logevent

import (
	"bytes"
	"cmp"
	"fmt"
	"sync"

	"daybook.dev"
	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/strictjson"
)

// A member is one of the request's members, whichever way it is spelt.
type member uint8

const (
	unknownMember member = iota // ignored, as JSON of Protocol Buffers is read
	eventName
	eventType
	actorID
	metadata
	eventTS
	idempotencyKey
	forwardToStatsig
)

// fields are the names that refusals use.
var fields = [...]string{
	eventName: "event_name", eventType: "event_type", actorID: "actor_id", metadata: "metadata",
	eventTS: "event_ts", idempotencyKey: "idempotency_key", forwardToStatsig: "forward_to_statsig",
}

// memberOf knows both spellings of each member.
func memberOf(name []byte) member {
	switch string(name) {
	case "event_name", "eventName":
		return eventName
	case "event_type", "eventType":
		return eventType
	case "actor_id", "actorId":
		return actorID
	case "metadata":
		return metadata
	case "event_ts", "eventTs":
		return eventTS
	case "idempotency_key", "idempotencyKey":
		return idempotencyKey
	case "forward_to_statsig", "forwardToStatsig":
		return forwardToStatsig
	}
	return unknownMember
}

// A scanner keeps its table of names between calls. In one call it is charged
// for what the table grows by: names may take many times their length.
type scanner struct {
	strictjson.Scanner
	lease intake.Lease
	shed  *daybook.Error // there was no memory
}

var scanners = sync.Pool{New: func() any {
	s := new(scanner)
	s.Charge = s.charge
	return s
}}

func (s *scanner) charge(bytes int) bool {
	if s.shed == nil {
		s.shed = s.lease.Grow(int64(bytes))
	}
	return s.shed == nil
}

func (s *scanner) release() {
	s.Shrink()
	s.lease.Release()
	s.lease, s.shed = intake.Lease{}, nil
	scanners.Put(s)
}

// decodeJSON reads a request from the JSON of Protocol Buffers, more strictly
// than protojson does: nothing that two readers could take for different things
// is let in, and numbers in metadata stay the text they were.
func (s *Service) decodeJSON(body []byte) call {
	if bytes.HasPrefix(body, []byte("\uFEFF")) {
		return call{refused: refusal("", reasonByteOrderMark, "the request begins with a byte order mark; write UTF-8 without one")}
	}
	scan := scanners.Get().(*scanner)
	defer scan.release()
	scan.lease = s.Budget.Lease()
	scan.Reset(body)
	d := jsonDecoder{scan: &scan.Scanner}
	d.object()
	scan.End()
	if scan.shed != nil {
		return call{shed: scan.shed}
	}
	if err := d.unacceptable(); err != nil {
		return call{refused: err}
	}
	return d.call
}

type jsonDecoder struct {
	call   // refused is the first wrong type
	scan   *strictjson.Scanner
	seen   [len(fields)]bool
	last   member // read last
	flawed member // in which the first flaw is
}

// unacceptable is the refusal of a text that is not JSON, or not strict enough.
func (d *jsonDecoder) unacceptable() *daybook.Error {
	problem, in := d.scan.Broken(), d.last
	if !problem.Is() {
		problem, in = d.scan.Flaw(), d.flawed
	}
	switch {
	case !problem.Is():
		return nil
	case problem.Reason == strictjson.TooDeep && in == metadata:
		return tooDeep()
	case problem.Reason == strictjson.DuplicateName:
		problem.What = fmt.Sprintf("an object has two members called %q", problem.Name)
	}
	if problem.Reason == strictjson.Malformed {
		in = unknownMember // what is not JSON has no members
	}
	what := cmp.Or(fields[in], "the request")
	return refusal(fields[in], problem.Reason, fmt.Sprintf("%s is not acceptable JSON: %s, at byte %d", what, problem.What, problem.Offset))
}

// object reads the request's object to its end.
func (d *jsonDecoder) object() {
	d.scan.EnterObject()
	for {
		name, more := d.scan.Member()
		if !more {
			return
		}
		d.last = memberOf(name)
		flawless := !d.scan.Flaw().Is()
		d.member(d.last)
		if flawless && d.scan.Flaw().Is() {
			d.flawed = d.last
		}
	}
}

func (d *jsonDecoder) member(m member) {
	if m == unknownMember {
		d.skip()
		return
	}
	if d.seen[m] {
		d.refuse(m, reasonTwoSpellings, " is given twice, or in both spellings")
	}
	d.seen[m] = true
	d.value(m)
}

// value reads the value of member m. Null is as good as absent.
func (d *jsonDecoder) value(m member) {
	kind := d.scan.Kind()
	switch {
	case kind == 'n':
		d.skip()
	case m == metadata && kind == '{':
		d.metadata()
	case m == metadata:
		d.wrongType(m, " must be an object")
	case m == forwardToStatsig && (kind == 't' || kind == 'f'):
		d.request.storeOnly = kind == 'f'
		d.skip()
	case m == forwardToStatsig:
		d.wrongType(m, " must be true or false")
	case kind != '"':
		d.wrongType(m, " must be a string")
	case m == eventTS:
		d.time()
	default:
		*d.request.text(m) = text{value: string(d.scan.Text()), given: true}
	}
}

// text is where the value of a member that is a string belongs.
func (r *request) text(m member) *text {
	switch m {
	case eventName:
		return &r.name
	case eventType:
		return &r.typ
	case actorID:
		return &r.actor
	}
	return &r.key
}

func (d *jsonDecoder) time() {
	t, problem := intake.ParseTime(d.scan.Text())
	if problem != "" {
		d.refuse(eventTS, reasonInvalidTime, problem)
		return
	}
	d.request.time, d.request.timeGiven = t, true
}

// metadata reads the metadata object and counts its members. Its strings are
// stored without needless escapes, which is the form the limit is about.
func (d *jsonDecoder) metadata() {
	out := []byte{'{'}
	d.scan.EnterObject()
	for {
		name, more := d.scan.Member()
		if !more {
			break
		}
		if d.request.keys > 0 {
			out = append(out, ',')
		}
		d.request.keys++
		d.request.reserved = d.request.reserved || string(name) == admit.EnvelopeKey
		out = append(out, d.scan.QuotedName()...)
		out = append(out, ':')
		out = d.scan.AppendValue(out, maxDepth-1)
	}
	if d.scan.Broken().Is() || d.scan.Flaw().Is() {
		return // what was read is no JSON that could be rewritten
	}
	d.request.metadata = strictjson.Unescape(append(out, '}'))
}

// skip reads a value nobody needs.
func (d *jsonDecoder) skip() {
	const anyDepth = 1 << 20 // the scanner gives up before
	d.scan.AppendValue(nil, anyDepth)
}

func (d *jsonDecoder) wrongType(m member, must string) {
	d.refuse(m, reasonWrongType, must)
	d.skip()
}

func (d *jsonDecoder) refuse(m member, reason, what string) {
	if d.refused == nil {
		d.refused = refusal(fields[m], reason, fields[m]+what)
	}
}

package cloudevents

import (
	"net/http"

	"daybook.dev"
	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/intake/eventjson"
	"daybook.dev/gateway/internal/intake/strictjson"
)

// A decoder turns the body of one request into submissions.
type decoder struct {
	mode   mode
	header http.Header

	scan   strictjson.Scanner // of the body
	inner  strictjson.Scanner // of data that is JSON inside something else
	out    []byte             // the metadata of all events, one object after the other
	events []admit.Submission

	pay  func(bytes int64) *daybook.Error
	shed *daybook.Error // there was no memory
}

func newDecoder(m mode, header http.Header, pay func(bytes int64) *daybook.Error) *decoder {
	d := &decoder{mode: m, header: header, pay: pay}
	d.scan.Charge, d.inner.Charge = d.charge, d.charge
	return d
}

// Decode implements [intake.Decoder].
func (d *decoder) Decode(body []byte, most int) ([]admit.Submission, *daybook.Error) {
	err := d.decode(body, most)
	if d.shed != nil {
		return nil, d.shed
	}
	if err != nil {
		return nil, err
	}
	return d.events, nil
}

// Release implements [intake.Decoder]. Nothing is used again.
func (*decoder) Release() {}

func (d *decoder) charge(bytes int) bool {
	if d.shed == nil && d.pay != nil {
		d.shed = d.pay(int64(bytes))
	}
	return d.shed == nil
}

func (d *decoder) decode(body []byte, most int) *daybook.Error {
	d.out = make([]byte, 0, len(body)) // which nearly all metadata fits into
	if d.mode == binary {
		d.add(d.binary(body))
		return nil
	}
	if _, err := eventjson.First(body); err != nil {
		return err
	}
	d.scan.Reset(body)
	if d.mode == structured {
		d.add(d.structured())
		d.scan.End()
		return eventjson.Whole(d.scan.Broken())
	}
	d.scan.EnterArray()
	for d.shed == nil && d.scan.Element() {
		if len(d.events) == most {
			return eventjson.TooMany(most)
		}
		d.scan.Forget()
		d.add(d.structured())
	}
	d.scan.End()
	return eventjson.Whole(d.scan.Broken())
}

// add makes a submission of what was read. After a text that is no JSON there is
// nothing to make: the body is refused.
func (d *decoder) add(e *event) {
	if d.scan.Broken().Is() {
		return
	}
	s := d.submission(e)
	if p := d.scan.Flaw(); p.Is() { // before anything else is said of the event
		s.Err = eventjson.Flawed(p)
	}
	d.events = append(d.events, s)
}

// structured reads one event in JSON.
func (d *decoder) structured() *event {
	e := &event{mark: len(d.out)}
	if d.scan.Kind() != '{' {
		d.skip(&d.scan)
		e.refuse("", reasonNotAnObject, "an event must be a JSON object")
		return e
	}
	d.scan.EnterObject()
	for {
		name, more := d.scan.Member()
		if !more {
			break
		}
		switch string(name) {
		case "data":
			e.data = d.value(&d.scan)
		case "data_base64":
			e.base64 = d.attribute(name)
		default:
			if !d.keep(e, name) {
				return e
			}
		}
	}
	if !d.scan.Broken().Is() && !d.scan.Flaw().Is() {
		d.decodeBase64(e)
	}
	return e
}

// usualAttributes is how many attributes an event that people mean has at most;
// attributeBytes is about what each one beyond takes, read and sorted.
const usualAttributes, attributeBytes = 32, 160

// keep reads an attribute and keeps it, unless the event is refused for its JSON
// already: after a name that it has twice there may be millions more. False means
// that there is no memory for it.
func (d *decoder) keep(e *event, name []byte) bool {
	if d.scan.Flaw().Is() {
		d.skip(&d.scan)
		return true
	}
	if len(e.attributes) >= usualAttributes && !d.charge(attributeBytes) {
		return false
	}
	e.attributes = append(e.attributes, d.attribute(name))
	return true
}

// attribute reads the value of the member called name.
func (d *decoder) attribute(name []byte) attribute {
	return attribute{name: string(name), json: d.scan.AppendValue(nil, eventjson.MaxDepth-2)}
}

// skip reads the value that is next in s and leaves it out.
func (d *decoder) skip(s *strictjson.Scanner) {
	d.out = s.AppendValue(d.out, eventjson.MaxDepth-1)[:len(d.out)]
}

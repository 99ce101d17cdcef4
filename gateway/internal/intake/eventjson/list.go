package eventjson

import (
	"fmt"

	"daybook.dev"
	"daybook.dev/gateway/internal/intake/strictjson"
)

// list reads a body that is an object around the array of events. Its other
// members say nothing about events, but they are JSON all the same: two readers
// must not take such a body for different things.
func (d *Decoder) list(body []byte, most int) *daybook.Error {
	d.scan.Reset(body)
	if d.scan.Kind() != '{' {
		return refusal("", reasonNotAnObject, fmt.Sprintf("the body must be an object with the member %s", d.form.List))
	}
	found := false
	d.scan.EnterObject()
	for {
		name, more := d.scan.Member()
		if !more {
			break
		}
		if string(name) != d.form.List {
			d.out = d.scan.AppendValue(d.out, MaxDepth-1)[:len(d.out)]
			continue
		}
		if err := d.listed(most, found); err != nil {
			return err
		}
		found = true
	}
	d.scan.End()
	if err := d.flawed(); err != nil {
		return err
	}
	if !found {
		return refusal(d.form.List, reasonMissingList, fmt.Sprintf("the body has no member %s, which holds the events", d.form.List))
	}
	return nil
}

// listed reads the member with the array.
func (d *Decoder) listed(most int, again bool) *daybook.Error {
	if err := d.flawed(); err != nil {
		return err
	}
	if again {
		return refusal(d.form.List, strictjson.DuplicateName, fmt.Sprintf("%q stands twice in the body; nothing of the body was stored", d.form.List))
	}
	if d.scan.Kind() != '[' {
		d.out = d.scan.AppendValue(d.out, MaxDepth-1)[:len(d.out)]
		if err := d.flawed(); err != nil {
			return err
		}
		return refusal(d.form.List, reasonWrongType, d.form.List+" must be an array")
	}
	err := d.elements(most)
	d.scan.Forget() // what was said about the last event is in its submission
	return err
}

// flawed refuses the body for what is wrong beside the events.
func (d *Decoder) flawed() *daybook.Error {
	if p := d.scan.Broken(); p.Is() {
		return Whole(p)
	}
	return Whole(d.scan.Flaw())
}

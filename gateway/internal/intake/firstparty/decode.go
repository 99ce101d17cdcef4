package firstparty

import (
	"bytes"
	"strconv"

	"daybook.dev"
	"daybook.dev/gateway/internal/admit"
	"daybook.dev/gateway/internal/intake"
	"daybook.dev/gateway/internal/intake/strictjson"
)

// An exposure to an experiment has a type of its own, and no name of its own.
const (
	exposureType daybook.Type = "GrowthbookExperimentEvent"
	exposureName string       = "growthbook_experiment"
)

// A decoder completes what the events of this protocol leave unsaid.
type decoder struct {
	intake.Decoder

	scan strictjson.Scanner
	out  []byte // what the scanner reads and nobody needs
	pay  func(bytes int64) *daybook.Error
	shed *daybook.Error // there was no memory
}

// Decode implements [intake.Decoder].
func (d *decoder) Decode(body []byte, most int) ([]admit.Submission, *daybook.Error) {
	events, err := d.Decoder.Decode(body, most)
	if err != nil {
		return nil, err
	}
	for i := range events {
		if events[i].Err == nil {
			d.complete(&events[i].Event)
		}
	}
	return events, d.shed
}

func (d *decoder) complete(e *daybook.Event) {
	if e.Name == "" && e.Type == exposureType {
		e.Name = exposureName
	}
	if e.SampleRate == 0 && bytes.Contains(e.Metadata, []byte(`"sample_rate"`)) {
		e.SampleRate = d.rateIn(e.Metadata)
	}
}

// rateIn finds the rate at which the client has sampled an event: it notes it
// beside what its caller gave, in event_metadata. One that is no share between
// none and all is the caller's own, and means what the caller means.
func (d *decoder) rateIn(metadata []byte) float64 {
	d.scan.Charge = d.charge
	d.scan.Reset(metadata)
	if !d.enter("event_metadata") || d.scan.Kind() != '{' || !d.enter("sample_rate") || d.scan.Kind() != '0' {
		return 0
	}
	number := d.scan.AppendValue(d.out[:0], 0)
	rate, err := strconv.ParseFloat(string(number), 64)
	if err != nil || rate <= 0 || rate >= 1 {
		return 0
	}
	return rate
}

// enter enters the object that is next and reads on to the value of a member.
func (d *decoder) enter(member string) bool {
	d.scan.EnterObject()
	for {
		name, more := d.scan.Member()
		if !more || string(name) == member {
			return more
		}
		d.out = d.scan.AppendValue(d.out[:0], maxDepth)
	}
}

// maxDepth is more than any metadata that was decoded nests.
const maxDepth = 64

func (d *decoder) charge(bytes int) bool {
	if d.shed == nil {
		d.shed = d.pay(int64(bytes))
	}
	return d.shed == nil
}

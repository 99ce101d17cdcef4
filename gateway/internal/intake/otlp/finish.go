package otlp

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"daybook.dev"
	"daybook.dev/gateway/internal/admit"
)

// unnamedName is the name of events that are lines of a log.
const unnamedName = "log"

// finish makes the submissions of the records.
func (d *decoder) finish(body []byte, unnamed Unnamed) {
	if !d.assignIDs(body) {
		return
	}
	size := 0
	for i := range d.records {
		size += d.metadataSize(&d.records[i])
	}
	if !room(d, &d.out, size) {
		return
	}
	all := string(d.texts)
	for i := range d.records {
		d.events = append(d.events, d.submission(&d.records[i], all, unnamed))
	}
}

func (d *decoder) submission(r *record, texts string, unnamed Unnamed) admit.Submission {
	s := admit.Submission{Err: d.refused(r)}
	e := &s.Event
	e.ID = texts[r.id.start:r.id.end]
	if s.Err != nil {
		return s
	}
	e.Name, e.Actor = texts[r.name.start:r.name.end], texts[r.actor.start:r.actor.end]
	e.Type = daybook.Type(texts[r.typ.start:r.typ.end])
	if strings.TrimSpace(e.Name) == "" {
		if unnamed == Refuse {
			s.Err = refusal("event_name", reasonBlankName, "the record has neither an event name nor the attribute event.name")
			return s
		}
		e.Name, e.Type = unnamedName, daybook.Log
	}
	if at := r.when(); at != 0 {
		e.Time, s.TimeGiven = timeOf(at), true
	}
	start := len(d.out)
	d.appendMetadata(r)
	if len(d.out) > start {
		e.Metadata = d.out[start:len(d.out):len(d.out)]
	}
	return s
}

// when is the record's time, or when it was observed; 0 = neither is known.
func (r *record) when() uint64 {
	if r.time != 0 {
		return r.time
	}
	return r.observed
}

// timeOf is an instant in nanoseconds since 1970, of which there are more than
// an int64 has.
func timeOf(nanos uint64) time.Time {
	const second = uint64(time.Second)
	return time.Unix(int64(nanos/second), int64(nanos%second)).UTC()
}

// assignIDs gives an id to each record that has a time and no id: one that the
// same request, sent again because its answer was lost, gives it again. A record
// that does not even say when it happened may be meant twice.
//
// The id is a UUID of version 8: 90 bits of the request's hash, and the record's
// place in it.
func (d *decoder) assignIDs(body []byte) bool {
	const uuidBytes = 36
	var hash [sha256.Size]byte
	hashed := false
	for i := range d.records {
		r := &d.records[i]
		if r.id.start != r.id.end || r.when() == 0 {
			continue
		}
		if !hashed {
			hash, hashed = sha256.Sum256(body), true
			if !room(d, &d.texts, uuidBytes*(len(d.records)-i)) {
				return false
			}
		}
		start := len(d.texts)
		d.texts = appendID(d.texts, hash[:], i)
		r.id = span{uint32(start), uint32(len(d.texts))}
	}
	return true
}

func appendID(dst, hash []byte, index int) []byte {
	var id [16]byte
	copy(id[:], hash)
	id[6] = id[6]&0x0f | 0x80 // version 8
	id[8] = id[8]&0x3f | 0x80 // variant of RFC 9562
	binary.BigEndian.PutUint32(id[12:], uint32(index))
	for i, part := range [...][]byte{id[:4], id[4:6], id[6:8], id[8:10], id[10:]} {
		if i > 0 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, part)
	}
	return dst
}

// metadataSize is at least how many bytes a record's metadata takes.
func (d *decoder) metadataSize(r *record) int {
	const fixed = 320 // names, numbers, ids and a time
	scope := &d.scopes[r.scope]
	size := fixed
	for _, s := range [...]span{r.body, r.severityText, r.attributes, scope.text, d.resources[scope.resource].text} {
		size += int(s.end - s.start)
	}
	return size
}

// appendMetadata writes a record's metadata to out. Each member stands behind a
// comma, and the first comma becomes the brace that opens the object.
func (d *decoder) appendMetadata(r *record) {
	start := len(d.out)
	d.appendPart(`,"body":`, r.body)
	if r.severity != 0 {
		d.out = strconv.AppendInt(append(d.out, `,"severity_number":`...), int64(r.severity), 10)
	}
	d.appendPart(`,"severity_text":`, r.severityText)
	if r.observed != 0 {
		d.out = timeOf(r.observed).AppendFormat(append(d.out, `,"observed_time":"`...), time.RFC3339Nano)
		d.out = append(d.out, '"')
	}
	if r.trace != [16]byte{} {
		d.out = append(hex.AppendEncode(append(d.out, `,"trace_id":"`...), r.trace[:]), '"')
	}
	if r.span != [8]byte{} {
		d.out = append(hex.AppendEncode(append(d.out, `,"span_id":"`...), r.span[:]), '"')
	}
	if r.flags != 0 {
		d.out = strconv.AppendUint(append(d.out, `,"flags":`...), uint64(r.flags), 10)
	}
	d.appendPart(`,"attributes":`, r.attributes)
	if r.dropped != 0 {
		d.out = strconv.AppendUint(append(d.out, `,"dropped_attributes_count":`...), uint64(r.dropped), 10)
	}
	scope := &d.scopes[r.scope]
	d.appendOrigin(`,"scope":`, scope.text)
	d.appendOrigin(`,"resource":`, d.resources[scope.resource].text)
	if len(d.out) > start {
		d.out[start] = '{'
		d.out = append(d.out, '}')
	}
}

func (d *decoder) appendPart(label string, s span) {
	if s.start != s.end {
		d.out = append(append(d.out, label...), d.at(s)...)
	}
}

// appendOrigin writes an object of members that stand behind a comma each.
func (d *decoder) appendOrigin(label string, s span) {
	if s.start != s.end {
		d.out = append(append(d.out, label...), '{')
		d.out = append(append(d.out, d.parts[s.start+1:s.end]...), '}')
	}
}

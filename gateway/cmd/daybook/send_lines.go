package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/go-json-experiment/json/jsontext"

	"daybook.dev"
)

// A line is one event on its way to the gateway.
type line struct {
	file   string // "" for standard input and a single event
	number int    // from 1
	text   []byte // the event, with an id
	err    error  // why it cannot be sent; an *daybook.Error
}

// String names the line for people.
func (l line) String() string {
	if l.file == "" {
		return fmt.Sprintf("line %d", l.number)
	}
	return fmt.Sprintf("%s:%d", l.file, l.number)
}

// A lineSource yields lines, and an error where reading ended before the end.
type lineSource = iter.Seq2[line, error]

func oneLine(text []byte) lineSource {
	return func(yield func(line, error) bool) {
		var s stamper
		yield(line{number: 1, text: s.stamp(text)}, nil)
	}
}

// maxLine is the longest line that is read: an event may have 1 MiB, and
// escapes and its other members take room too.
const maxLine = 2 << 20

// readLines yields the lines of r that are not blank, each with an id. It
// closes r if it can be closed.
func readLines(file string, r io.Reader) lineSource {
	return func(yield func(line, error) bool) {
		if c, ok := r.(io.Closer); ok {
			defer c.Close()
		}
		in := bufio.NewReaderSize(r, 64<<10)
		var s stamper
		for number := 1; ; number++ {
			text, err := readLine(in, maxLine)
			l := line{file: file, number: number}
			switch {
			case errors.Is(err, errLongLine):
				l.err = &daybook.Error{
					Code: daybook.Invalid, Reason: "line_too_long",
					Message: fmt.Sprintf("the line has more than %d bytes", maxLine),
				}
			case err != nil:
				if !errors.Is(err, io.EOF) {
					yield(l, err)
				}
				return
			default:
				l.text = bytes.TrimSpace(text)
			}
			if l.err == nil && len(l.text) == 0 {
				continue
			}
			l.text = s.stamp(l.text)
			if !yield(l, nil) {
				return
			}
		}
	}
}

var errLongLine = errors.New("the line is too long")

// readLine returns the next line, which is the caller's. A line over the limit
// is read to its end, without keeping it. At the end of the input the error is
// io.EOF and there is no line.
func readLine(r *bufio.Reader, limit int) ([]byte, error) {
	var whole []byte
	tooLong := false
	for {
		part, err := r.ReadSlice('\n')
		if tooLong = tooLong || len(whole)+len(part) > limit; tooLong {
			whole = nil
		} else {
			whole = append(whole, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case tooLong && (err == nil || errors.Is(err, io.EOF)):
			return nil, errLongLine
		case errors.Is(err, io.EOF) && len(whole) > 0:
			return whole, nil // the last line may lack its line break
		}
		return whole, err
	}
}

// A stamper gives events their ids.
type stamper struct {
	in      bytes.Buffer
	decoder jsontext.Decoder
}

// stamp returns the event with an id: with the one it has, or with a new one.
// Everything else stays as it is written. What is not a JSON object is
// returned unchanged, for the sender to refuse.
func (s *stamper) stamp(event []byte) []byte {
	s.in = *bytes.NewBuffer(event)
	// What else is wrong with the event is the gateway's to say.
	s.decoder.Reset(&s.in, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if s.decoder.PeekKind() != '{' {
		return event
	}
	_, _ = s.decoder.ReadToken()
	separator := ""
	for s.decoder.PeekKind() == '"' {
		name, err := s.decoder.ReadToken()
		if err != nil {
			return event
		}
		isID := name.String() == "event_id"
		value, err := s.decoder.ReadValue()
		if err != nil {
			return event
		}
		if !isID {
			separator = ","
			continue
		}
		if string(value) != `""` && string(value) != "null" {
			return event
		}
		end := int(s.decoder.InputOffset())
		return splice(event, end-len(value), end, `"`+newEventID()+`"`)
	}
	if _, err := s.decoder.ReadToken(); err != nil {
		return event
	}
	// At the end, so that what the gateway says about byte 17 is byte 17 of the
	// line as it was written.
	end := int(s.decoder.InputOffset()) - len("}")
	return splice(event, end, end, separator+`"event_id":"`+newEventID()+`"`)
}

// splice returns text with what is between start and end replaced.
func splice(text []byte, start, end int, by string) []byte {
	out := make([]byte, 0, len(text)+len(by))
	out = append(out, text[:start]...)
	out = append(out, by...)
	return append(out, text[end:]...)
}

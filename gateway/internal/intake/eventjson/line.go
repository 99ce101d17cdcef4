package eventjson

import (
	"bytes"

	"daybook.dev/gateway/internal/intake/strictjson"
)

// A lineReader cuts text into the lines that are not blank. Inside JSON a line
// break is no part of any token, so that cutting needs no parsing.
type lineReader struct {
	rest   []byte
	number int // of the line returned last, from 1
}

// next returns the next line and its number, nil at the end.
func (l *lineReader) next() (line []byte, number int) {
	for len(l.rest) > 0 {
		end := bytes.IndexByte(l.rest, '\n')
		if end < 0 {
			line, l.rest = l.rest, nil
		} else {
			line, l.rest = l.rest[:end], l.rest[end+1:]
		}
		l.number++
		if firstByte(line) != 0 {
			return line, l.number
		}
	}
	return nil, l.number
}

// firstByte returns the first byte of text that is not blank, 0 when all are.
// A byte of 0 is no JSON: then 1, which is none either, stands for it.
func firstByte(text []byte) byte {
	for _, c := range text {
		if !strictjson.Blank(c) {
			return max(c, 1)
		}
	}
	return 0
}

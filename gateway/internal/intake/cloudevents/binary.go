package cloudevents

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"daybook.dev/gateway/internal/intake/strictjson"
)

// headerPrefix is what the names of headers that are attributes begin with, as
// net/http writes them.
const headerPrefix = "Ce-"

// binary reads the event whose attributes are headers and whose data is body.
func (d *decoder) binary(body []byte) *event {
	e := &event{mark: len(d.out)}
	for _, header := range slices.Sorted(maps.Keys(d.header)) {
		if name, ok := strings.CutPrefix(header, headerPrefix); ok {
			d.headerAttribute(e, strings.ToLower(name), d.header[header])
		}
	}
	contentType := d.header.Get("Content-Type")
	if contentType != "" {
		e.attributes = append(e.attributes, textAttribute("datacontenttype", contentType))
	}
	if len(body) > 0 {
		d.binaryData(e, mediaType(contentType), body)
	}
	return e
}

func (d *decoder) headerAttribute(e *event, name string, values []string) {
	if name == "" {
		return
	}
	switch {
	case len(values) != 1:
		e.refuse(name, strictjson.DuplicateName, fmt.Sprintf("the header ce-%s stands more than once", name))
		return
	case name == "data" || name == "data_base64" || name == "datacontenttype":
		e.refuse(name, reasonInvalidValue, fmt.Sprintf("ce-%s is no attribute: the data is the body, and its type the Content-Type", name))
		return
	}
	text := decodeHeader(values[0])
	if !utf8.ValidString(text) {
		e.refuse(name, strictjson.InvalidUTF8, fmt.Sprintf("the header ce-%s is not valid UTF-8", name))
		return
	}
	e.attributes = append(e.attributes, textAttribute(name, text))
}

// binaryData reads the data. Where nobody says what it is, it may be JSON.
func (d *decoder) binaryData(e *event, media string, body []byte) {
	if !isJSON(media) && media != "" {
		e.data = bytesOf(media, body)
		return
	}
	p, problem := d.json(body)
	switch {
	case !problem.Is():
		e.data = p
	case media == "":
		d.out = d.out[:e.mark]
		e.data = bytesOf(media, body)
	default:
		e.refuse("data", problem.Reason, fmt.Sprintf("byte %d of the data: %s", problem.Offset, problem.What))
	}
}

// decodeHeader decodes a header's value as the HTTP binding says: the quotes
// around it first, then what is percent-encoded. What is no such encoding stays,
// because not every sender encodes.
func decodeHeader(value string) string {
	if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
		value = unquote(value[1 : len(value)-1])
	}
	if !strings.Contains(value, "%") {
		return value
	}
	decoded := make([]byte, 0, len(value))
	for i := 0; i < len(value); i++ {
		if value[i] == '%' && i+2 < len(value) {
			high, low := hexDigit(value[i+1]), hexDigit(value[i+2])
			if high >= 0 && low >= 0 {
				decoded = append(decoded, byte(high<<4|low))
				i += 2
				continue
			}
		}
		decoded = append(decoded, value[i])
	}
	return string(decoded)
}

// unquote takes the backslashes out of a quoted string (RFC 9110, 5.6.4).
func unquote(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		out = append(out, s[i])
	}
	return string(out)
}

// hexDigit returns the value of a hexadecimal digit, negative for what is none.
func hexDigit(c byte) int {
	return strings.IndexByte("0123456789abcdef", c|' ')
}

func textAttribute(name, text string) attribute {
	quoted, _ := jsontext.AppendQuote(nil, text) // of a Content-Type, what is not UTF-8 is replaced
	return attribute{name: name, json: quoted}
}

// isText reports whether data of that media type is meant to be read.
func isText(media string) bool {
	return strings.HasPrefix(media, "text/") || media == "application/xml" || strings.HasSuffix(media, "+xml")
}

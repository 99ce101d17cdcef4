package webhook

import (
	"fmt"
	"net/http"
	"net/textproto"
	"strings"
)

// ours are the headers that are set for every request, by this package or by
// HTTP itself.
var ours = map[string]bool{
	"Webhook-Id": true, "Webhook-Timestamp": true, "Webhook-Signature": true, "Content-Encoding": true,
	"Content-Length": true, "Transfer-Encoding": true, "Host": true, "Connection": true, "Upgrade": true, "Te": true, "Trailer": true, "Expect": true,
}

// parseHeader checks headers as they are configured. Errors never show a value.
func parseHeader(given map[string]string) (http.Header, error) {
	header := http.Header{}
	for name, value := range given {
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		switch {
		case name == "" || strings.ContainsFunc(name, notInName):
			return nil, invalid("header", fmt.Sprintf("%q cannot be the name of a header", name))
		case ours[canonical]:
			return nil, invalid("header", "the header "+canonical+" cannot be configured")
		case header[canonical] != nil:
			return nil, invalid("header", "the header "+canonical+" is there in two spellings")
		case strings.ContainsFunc(value, notInValue):
			return nil, invalid("header", "the value of the header "+canonical+" has a line break or another control character")
		}
		header[canonical] = []string{value}
	}
	return header, nil
}

// notInName reports what is no part of a token (RFC 9110, section 5.6.2).
func notInName(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
}

func notInValue(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

package outboundtest

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"daybook.dev"
)

// A fault is a way in which a destination fails.
type fault struct {
	name   string
	serve  http.HandlerFunc
	code   daybook.Code  // what it means; OK = the events are taken all the same
	wait   time.Duration // what the error says to wait
	silent bool          // there is no answer, or none that ends
	once   bool          // one request and no other, wherever it points
}

const year = "31536000"

// faults are the ways in which a destination fails, with what that means for a
// sink to which a 2xx says everything.
var faults = []fault{
	{name: "400", serve: answer(400), code: daybook.Invalid},
	{name: "401", serve: answer(401), code: daybook.Unauthenticated},
	{name: "402", serve: answer(402), code: daybook.Denied},
	{name: "403", serve: answer(403), code: daybook.Denied},
	{name: "404", serve: answer(404), code: daybook.Unimplemented},
	{name: "405", serve: answer(405), code: daybook.Unimplemented},
	{name: "408", serve: answer(408), code: daybook.Unavailable},
	{name: "409", serve: answer(409), code: daybook.Conflict},
	{name: "410", serve: answer(410), code: daybook.Unimplemented},
	{name: "413", serve: answer(413), code: daybook.TooLarge},
	{name: "415", serve: answer(415), code: daybook.Unimplemented},
	{name: "418", serve: answer(418), code: daybook.Invalid},
	{name: "422", serve: answer(422), code: daybook.Invalid},
	{name: "425", serve: answer(425), code: daybook.Unavailable},
	{name: "429", serve: answer(429), code: daybook.Exhausted},
	{name: "429 with Retry-After in seconds", serve: answer(429, "Retry-After", "7"), code: daybook.Exhausted, wait: 7 * time.Second},
	{name: "429 with Retry-After as a date", serve: tomorrow, code: daybook.Exhausted, wait: time.Hour},
	{name: "429 with Retry-After of a year", serve: answer(429, "Retry-After", year), code: daybook.Exhausted, wait: time.Hour},
	{name: "429 with Retry-After that says nothing", serve: answer(429, "Retry-After", "soon"), code: daybook.Exhausted},
	{name: "429 with Retry-After in the past", serve: answer(429, "Retry-After", "-1"), code: daybook.Exhausted},
	{name: "500", serve: answer(500), code: daybook.Unavailable},
	{name: "501", serve: answer(501), code: daybook.Unimplemented},
	{name: "502", serve: answer(502), code: daybook.Unavailable},
	{name: "503 with Retry-After in seconds", serve: answer(503, "Retry-After", "7"), code: daybook.Unavailable, wait: 7 * time.Second},
	{name: "599", serve: answer(599), code: daybook.Unavailable},
	{name: "redirect to itself", serve: answer(307, "Location", "/"), code: daybook.Unimplemented, once: true},
	{name: "redirect to another page", serve: answer(302, "Location", "/login?next=events"), code: daybook.Unimplemented, once: true},
	{name: "redirect to nowhere", serve: answer(308), code: daybook.Unimplemented, once: true},
	{name: "hang", serve: hang, code: daybook.Unavailable, silent: true},
	{name: "slow drip of the header", serve: drip("HTTP/1.1 200 OK\r\nX-Drip: "), code: daybook.Unavailable, silent: true},
	{name: "slow drip of a 200", serve: drip("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"), silent: true},
	{name: "slow drip of a 500", serve: drip("HTTP/1.1 500 Oh\r\nContent-Length: 1000000\r\n\r\n"), code: daybook.Unavailable, silent: true},
	{name: "reset before the request is read", serve: reset(""), code: daybook.Unavailable},
	{name: "reset in the middle of the header", serve: reset("HTTP/1.1 200 OK\r\nContent-"), code: daybook.Unavailable},
	{name: "reset in the middle of a 200", serve: reset("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"succ")},
	{name: "reset in the middle of a 500", serve: reset("HTTP/1.1 500 Oh\r\nContent-Length: 1000\r\n\r\n{\"succ"), code: daybook.Unavailable},
	{name: "huge body of a 200", serve: huge(200)},
	{name: "huge body of a 500", serve: huge(500), code: daybook.Unavailable},
	{name: "huge header", serve: hugeHeader, code: daybook.Unavailable},
	{name: "an answer that is what was sent", serve: parrot(""), code: daybook.Unavailable},
	{name: "a header that is what was sent", serve: parrot("HTTP/1.1 200 OK\r\n: "), code: daybook.Unavailable},
	{name: "not HTTP", serve: reset("220 mail.example.com ESMTP\r\n"), code: daybook.Unavailable},
}

// answer answers with a status, and repeats all it was sent.
func answer(status int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		r.Header.Write(w)
		w.Write(body)
	}
}

func tomorrow(w http.ResponseWriter, r *http.Request) {
	answer(429, "Retry-After", time.Now().Add(24*time.Hour).UTC().Format(http.TimeFormat))(w, r)
}

// over is the key of a channel that is closed when the test is over.
type over struct{}

func withOver(r *http.Request, done chan struct{}) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), over{}, done))
}

func overOf(r *http.Request) <-chan struct{} { return r.Context().Value(over{}).(chan struct{}) }

// hang answers nothing for as long as anybody waits.
func hang(_ http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	select {
	case <-r.Context().Done():
	case <-overOf(r):
	}
}

// take takes the connection, with its request read.
func take(w http.ResponseWriter, r *http.Request) net.Conn {
	io.Copy(io.Discard, r.Body)
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	return conn
}

// drip begins an answer and goes on a byte at a time, for as long as anybody
// listens.
func drip(begin string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn := take(w, r)
		defer conn.Close()
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		_, err := io.WriteString(conn, begin)
		for err == nil {
			select {
			case <-overOf(r):
				return
			case <-tick.C:
				_, err = conn.Write([]byte("x"))
			}
		}
	}
}

// reset begins an answer and breaks the connection.
func reset(begin string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if begin != "" {
			io.Copy(io.Discard, r.Body)
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		io.WriteString(conn, begin)
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}
}

// huge answers with more than anybody should read.
func huge(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.WriteHeader(status)
		chunk := bytes.Repeat([]byte("x"), 1<<20)
		for range 1 << 10 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}
}

func hugeHeader(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	w.Header().Set("X-Huge", strings.Repeat("x", 1<<20))
}

// parrot answers with the bytes of the request behind begin.
func parrot(begin string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var sent bytes.Buffer
		body, _ := io.ReadAll(r.Body)
		for name, values := range r.Header { // on one line, as errors quote lines
			sent.WriteString(name + " " + strings.Join(values, " ") + " ")
		}
		sent.WriteString(r.URL.String() + " " + strconv.Quote(string(body)))
		conn := take(w, r)
		defer conn.Close()
		io.WriteString(conn, begin+sent.String()+"\r\n\r\n")
	}
}

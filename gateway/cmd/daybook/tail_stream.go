package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// A subscription reads a gateway's events and, when the connection is lost,
// connects again and continues behind the last event it has seen.
type subscription struct {
	url   string
	token string
	query url.Values

	event func(row []byte) error // is told each event; its error ends the subscription
	pause func() error           // is called when no more has arrived yet
	away  func(error)            // is told once per outage that the gateway is away
	note  func(text string)      // is told what the gateway remarks

	lastID    string // of the last message, or of the place where the stream began
	connected bool   // once
}

const (
	// silence is how long a connection may say nothing before it counts as
	// lost: a gateway says that it is alive every 15 seconds.
	silence = 45 * time.Second

	// maxRow bounds one line of the stream: an event of 1 MiB with every byte
	// of it escaped.
	maxRow = 8 << 20
)

// errLost means that the stream ended and the gateway did not say that this
// was the end.
var errLost = errors.New("the connection was closed")

// A refusedError is something that connecting again will not change.
type refusedError struct{ error }

// run returns nil at the end of a stream that has one. The first connection
// must succeed; later ones are tried until ctx ends.
func (s *subscription) run(ctx context.Context) error {
	wait := leastWait
	for {
		seen := s.lastID
		err := s.connect(ctx)
		switch {
		case err == nil || ctx.Err() != nil:
			return err
		case !s.connected:
			return s.notThere(err)
		case errors.As(err, new(refusedError)):
			return err
		}
		if s.lastID != seen {
			wait = leastWait
		}
		if wait == leastWait {
			s.away(err)
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
		wait = min(2*wait, mostWait)
	}
}

// notThere says what to do when no gateway answers.
func (s *subscription) notThere(err error) error {
	if errors.As(err, new(refusedError)) {
		return err
	}
	return noGateway(s.url, err, ", or read a stopped one's directory with `daybook store dump`")
}

// connect reads one stream to its end.
func (s *subscription) connect(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	quiet := time.AfterFunc(silence, cancel)
	defer quiet.Stop()

	request, err := s.request(ctx)
	if err != nil {
		return refusedError{err}
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if err := s.check(response); err != nil {
		return err
	}
	s.connected = true
	return s.read(response.Body, func() { quiet.Reset(silence) })
}

// request asks for what has not been seen.
func (s *subscription) request(ctx context.Context) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"?"+s.query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	if s.lastID != "" {
		request.Header.Set("Last-Event-ID", s.lastID)
	}
	if s.token != "" {
		request.Header.Set("Authorization", "Bearer "+s.token)
	}
	return request, nil
}

// check returns what is wrong with an answer that is no stream.
func (s *subscription) check(response *http.Response) error {
	if response.StatusCode == http.StatusOK {
		return nil
	}
	err := fmt.Errorf("%s: %s", s.url, reasonOf(response))
	if response.StatusCode == http.StatusUnauthorized {
		err = fmt.Errorf("%w (set operations.token or DAYBOOK_OPERATIONS_TOKEN)", err)
	}
	if response.StatusCode >= 500 && response.StatusCode != http.StatusNotImplemented {
		return err
	}
	return refusedError{err}
}

// read passes on the events of a stream; nil means that it said it was done.
func (s *subscription) read(body io.Reader, alive func()) error {
	in := bufio.NewReaderSize(body, 64<<10)
	for {
		m, err := s.message(in, alive)
		switch {
		case err != nil:
			return err
		case m.kind == "end":
			return nil
		case m.comment != "" && m.comment != keepAlive:
			s.note(m.comment)
		}
		if m.data != nil {
			if err := s.event(m.data); err != nil {
				return refusedError{err}
			}
		}
		// A message without data names the place where the stream begins.
		s.lastID = cmp.Or(m.id, s.lastID)
	}
}

// A message is one server-sent event.
type message struct {
	id, kind string
	comment  string
	data     []byte
}

// keepAlive is the comment that is only a sign of life.
const keepAlive = "keep-alive"

// message reads one message. Of the format (see the HTML standard, section
// "Server-sent events") a gateway uses one line each of id, event and data.
func (s *subscription) message(in *bufio.Reader, alive func()) (m message, err error) {
	for {
		if in.Buffered() == 0 {
			if err := s.pause(); err != nil {
				return m, refusedError{err}
			}
		}
		text, err := readLine(in, maxRow)
		if err != nil {
			return m, lost(err)
		}
		alive()
		text = bytes.TrimRight(text, "\r\n")
		if len(text) == 0 {
			return m, nil
		}
		name, value, _ := bytes.Cut(text, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "":
			m.comment = string(value)
		case "id":
			m.id = string(value)
		case "event":
			m.kind = string(value)
		case "data":
			m.data = value
		}
	}
}

// lost says what it means when a stream ends without a last word.
func lost(err error) error {
	if errors.Is(err, io.EOF) {
		return errLost
	}
	return err
}

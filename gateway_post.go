package daybook

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
)

// post sends one body with n events and returns what the gateway answered, or
// why nobody can know what it would have.
func (g *gateway) post(ctx context.Context, body []byte, n int) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	defer context.AfterFunc(g.ending, cancel)()

	request, err := g.request(ctx, body)
	if err != nil {
		return nil, err
	}
	response, err := g.client.Do(request)
	if err != nil {
		return nil, g.unreachable(err)
	}
	defer response.Body.Close()
	limit := int64(replyBase + n*replyPerEvent)
	text, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	if err != nil {
		return nil, g.unreachable(err)
	}
	if int64(len(text)) > limit {
		return nil, badReply("the reply is longer than any gateway's", nil)
	}
	return &answer{status: response.StatusCode, header: response.Header, text: text, target: g.target}, nil
}

// The longest reply that is read: an id and a message per event, escaped.
const (
	replyBase     = 64 << 10
	replyPerEvent = 4 << 10
)

func (g *gateway) request(ctx context.Context, body []byte) (*http.Request, error) {
	zipped := g.compressAbove >= 0 && len(body) >= g.compressAbove
	if zipped {
		body = g.zip(body)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, g.target, bytes.NewReader(body))
	if err != nil {
		return nil, &Error{Code: Internal, Where: "gateway", Reason: "bad_request", Err: err}
	}
	request.Header.Set("Content-Type", "application/x-ndjson")
	if zipped {
		request.Header.Set("Content-Encoding", "gzip")
	}
	if report := reportOf(ctx); report != "" {
		request.Header.Set(reportHeader, report)
	}
	if g.key != "" {
		request.Header.Set("Authorization", "Bearer "+g.key)
	}
	return request, nil
}

// zip returns body compressed, in memory of its own: the transport may still
// read a request's body after it has returned.
func (g *gateway) zip(body []byte) []byte {
	var out bytes.Buffer
	z, ok := g.zippers.Get().(*gzip.Writer)
	if !ok {
		z, _ = gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is valid
	}
	z.Reset(&out)
	_, _ = z.Write(body) // a bytes.Buffer takes everything
	_ = z.Close()
	g.zippers.Put(z)
	return out.Bytes()
}

// unreachable says why there was no answer. Reason "unreachable" means that
// no connection could be made and nothing was stored; "no_answer" leaves it
// open.
func (g *gateway) unreachable(err error) error {
	e := &Error{Code: Unavailable, Where: "gateway", Reason: "no_answer", Message: "no answer from " + g.target, Err: withoutURL(err)}
	if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" {
		e.Reason, e.Message = "unreachable", "cannot reach "+g.target
	}
	return e
}

// withoutURL returns the cause of a request's error, whose text would repeat the
// address.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

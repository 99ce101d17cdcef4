package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"daybook.dev/gateway/internal/operations"
)

// An asker asks the operations listener of a running gateway.
type asker struct {
	url   string // without the route
	token string

	// tokenless says why there is no token to show; nil where there is one, or
	// where this machine has no business to have one.
	tokenless error
}

// asker returns who asks for a command. Where no token is configured it shows
// the one that the gateway made in the data directory, but only to this machine.
func (a *app) asker() (asker, error) {
	c, err := a.place()
	if err != nil {
		return asker{}, err
	}
	var k asker
	k.url, k.token, err = a.operationsURL()
	if err != nil || c.Operations.Token != "" || !onThisMachine(k.url) {
		return k, err
	}
	made, err := operations.ReadTokenFile(c.Data)
	switch {
	case err == nil:
		k.token = made
	case k.token == "":
		k.tokenless = err
	}
	return k, nil
}

// onThisMachine reports whether an address is of the loopback interface.
func onThisMachine(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// ask sends a request, with a body where that is not nil. The caller closes the
// answer, which is one of success. The error says what the gateway said, or that
// there is none.
func (k asker) ask(ctx context.Context, method, route string, body any) (*http.Response, error) {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, k.url+route, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if k.token != "" {
		request.Header.Set("Authorization", "Bearer "+k.token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, awayError{noGateway(k.url, err, "")}
	}
	if response.StatusCode < 300 {
		return response, nil
	}
	defer response.Body.Close()
	return nil, k.refused(response)
}

// An awayError says that no gateway answers.
type awayError struct{ error }

// refused is what a gateway has answered instead.
func (k asker) refused(response *http.Response) error {
	reason := reasonOf(response)
	if response.StatusCode != http.StatusUnauthorized {
		return errors.New(reason)
	}
	hint := "name the gateway's --data, where its token is, or set operations.token or DAYBOOK_OPERATIONS_TOKEN"
	switch {
	case k.tokenless != nil:
		hint += ": " + printable(k.tokenless.Error())
	case k.token != "":
		hint = "the token that was shown is another gateway's: " + hint
	}
	return fmt.Errorf("%s (%s)", reason, hint)
}

// object asks and reads the answer into v.
func (k asker) object(ctx context.Context, method, route string, body, v any) error {
	response, err := k.ask(ctx, method, route, body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if err := json.UnmarshalRead(response.Body, v); err != nil {
		return fmt.Errorf("%s%s: the answer is not that of a Daybook gateway: %w", k.url, route, err)
	}
	return nil
}

// noGateway says what to do when no gateway answers; or is something else that
// may be done.
func noGateway(address string, err error, or string) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return fmt.Errorf("no gateway at %s: %w\nstart one with `daybook serve`, name another with --operations-listen%s", address, err, or)
}

// reasonOf returns the sentence of an answer that is no success.
func reasonOf(response *http.Response) string {
	text, _ := io.ReadAll(io.LimitReader(response.Body, 64<<10)) // what there is of a reason
	var reason struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(text, &reason) != nil || reason.Message == "" {
		reason.Message = response.Status + ": is it the operations address of a Daybook gateway?"
	}
	return printable(reason.Message)
}

// printLines writes each value on one line as it came.
func printLines(w io.Writer, values []jsontext.Value) error {
	for _, v := range values {
		if err := v.Compact(); err != nil {
			return err
		}
		if _, err := w.Write(append(v, '\n')); err != nil {
			return err
		}
	}
	return nil
}

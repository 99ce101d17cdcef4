package serve

import (
	"context"
	"strings"

	"daybook.dev"
	"daybook.dev/sink/webhook"
)

// webhookOptions are the keys of a receiver of HTTP requests.
type webhookOptions struct {
	URL           URL     `usage:"where to post; a user and password in it are sent as Basic authentication"`
	Secrets       Secrets `usage:"sign requests as Standard Webhooks; two while one replaces the other"`
	Form          string  `default:"array" words:"array lines single" usage:"how events stand in a request"`
	Encoding      string  `default:"flat" words:"flat row cloudevents" usage:"what an event looks like"`
	Authorization Secret  `usage:"value of the Authorization header, such as Bearer TOKEN"`
	Headers       List    `usage:"further headers, as Name: value"`
	Gzip          bool    `default:"false" usage:"compress requests"`
	AllowPrivate  bool    `default:"false" usage:"permit receivers on this machine and in private networks"`
}

func webhookKind() kind {
	return kind{
		word:    "webhook",
		options: func() any { return new(webhookOptions) },
		open: func(_ context.Context, d *Destination) (daybook.Sink, error) {
			o := d.Options.(*webhookOptions)
			header, err := o.header()
			if err != nil {
				return nil, err
			}
			return webhook.Open(webhook.Config{
				URL: string(o.URL), Secrets: List(o.Secrets).items(), Form: webhook.Form(o.Form), Encoding: encodingNamed(o.Encoding),
				Header: header, Gzip: o.Gzip, AllowPrivate: o.AllowPrivate, Timeout: d.Timeout,
			})
		},
	}
}

func (o *webhookOptions) header() (map[string]string, error) {
	header := map[string]string{}
	for _, line := range o.Headers.items() {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, &daybook.Error{Code: daybook.Invalid, Field: "headers", Reason: "invalid_header", Message: "headers are written as Name: value"}
		}
		header[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	if o.Authorization != "" {
		header["Authorization"] = string(o.Authorization)
	}
	return header, nil
}

package nats

import (
	"net/url"
	"strings"
	"time"

	client "github.com/nats-io/nats.go"

	"daybook.dev"
)

// check finds what cannot be meant, and returns the subject. No value is
// repeated where a password may have slipped into it.
func (c Config) check() (subject, error) {
	switch {
	case len(c.URLs) == 0:
		return subject{}, invalid("urls", "there is no server; write for example nats://localhost:4222")
	case c.Timeout < 0 || c.MaxPending < 0 || c.Replicas < 0 || c.DuplicateWindow < 0:
		return subject{}, invalid("", "times and counts are not negative")
	case c.logins() > 1:
		return subject{}, invalid("credentials_file", "there is more than one way to log in: keep one of credentials_file, nkey_file, user, token")
	case (c.User == "") != (c.Password == ""):
		return subject{}, invalid("user", "user and password come together")
	case strings.ContainsAny(c.Stream, ".*>/\\ \t\r\n"):
		return subject{}, invalid("stream", "a stream's name has no dot, star, > or blank in it")
	}
	for _, address := range c.URLs {
		if !goodURL(address) {
			return subject{}, invalid("urls", "a server is nats://, tls:// or ws(s):// with host and port, and no user; write for example nats://localhost:4222")
		}
	}
	return parseSubject(c.Subject)
}

func goodURL(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || strings.Contains(address, ",") {
		return false
	}
	switch u.Scheme {
	case "nats", "tls", "ws", "wss":
		return true
	default:
		return false
	}
}

func (c Config) logins() int {
	n := 0
	for _, login := range []string{c.CredentialsFile, c.NKeyFile, c.User, c.Token} {
		if login != "" {
			n++
		}
	}
	return n
}

func invalid(field, message string) error {
	return &daybook.Error{Code: daybook.Invalid, Where: where, Field: field, Reason: "invalid_config", Message: message}
}

// servers are the URLs as the client library reads them.
func (c Config) servers() string { return strings.Join(c.URLs, ",") }

// reconnect is how long a lost connection stays lost before the next server is
// tried.
const reconnect = 250 * time.Millisecond

// options are the client library's words for c, which has its defaults.
func (c Config) options() ([]client.Option, error) {
	options := []client.Option{
		client.Name(c.Name),
		client.Timeout(min(c.Timeout, 2*time.Second)),
		client.FlusherTimeout(c.Timeout),
		client.PingInterval(c.Timeout),
		client.MaxReconnects(-1),
		client.ReconnectWait(reconnect),
		client.RetryOnFailedConnect(c.Unchecked),

		// What is refused today may be put right tomorrow: keep asking.
		client.IgnoreAuthErrorAbort(),

		// Nothing waits in memory for a server: Write says no at once.
		client.ReconnectBufSize(-1),
	}
	if c.TLS != nil {
		options = append(options, client.Secure(c.TLS))
	}
	switch {
	case c.CredentialsFile != "":
		options = append(options, client.UserCredentials(c.CredentialsFile))
	case c.NKeyFile != "":
		key, err := client.NkeyOptionFromSeed(c.NKeyFile)
		if err != nil {
			return nil, invalid("nkey_file", err.Error())
		}
		options = append(options, key)
	case c.User != "":
		options = append(options, client.UserInfo(c.User, c.Password))
	case c.Token != "":
		options = append(options, client.Token(c.Token))
	}
	return options, nil
}

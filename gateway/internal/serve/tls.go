package serve

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// TLS is what a listener proves itself with. The zero value speaks in the clear.
// The files are in PEM and are read again when they change.
type TLS struct {
	Cert     string `usage:"file with the port's certificate and those that lead to its authority; with a key the port speaks TLS only"`
	Key      string `usage:"file with the private key of tls.cert"`
	ClientCA string `usage:"file with the authorities of client certificates, which are then verified where a client shows one (see mtls of callers)"`
}

// on reports whether the listener speaks TLS.
func (t TLS) on() bool { return t.Cert != "" }

func (t TLS) files() []string {
	if t.ClientCA == "" {
		return []string{t.Cert, t.Key}
	}
	return []string{t.Cert, t.Key, t.ClientCA}
}

// incomplete returns what is wrong with the keys, without looking at the files.
func (t TLS) incomplete(key string) error {
	switch {
	case t.Cert != "" && t.Key == "":
		return fmt.Errorf("%s.cert: is there without %s.key", key, key)
	case t.Cert == "" && t.Key != "":
		return fmt.Errorf("%s.key: is there without %s.cert", key, key)
	case t.Cert == "" && t.ClientCA != "":
		return fmt.Errorf("%s.client_ca: only a port that speaks TLS sees client certificates: add %s.cert and %s.key", key, key, key)
	}
	return nil
}

// load reads the files.
func (t TLS) load(key string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	c := &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{pair},
		NextProtos:   []string{"h2", "http/1.1"},
	}
	if t.ClientCA == "" {
		return c, nil
	}
	text, err := os.ReadFile(t.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("%s.client_ca: %w", key, err)
	}
	c.ClientCAs, c.ClientAuth = x509.NewCertPool(), tls.VerifyClientCertIfGiven
	if !c.ClientCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s.client_ca: %s has no certificate in PEM", key, t.ClientCA)
	}
	return c, nil
}

// A certificate is that of one listener: what its files have, or had when they
// were last in order. It is safe for concurrent use.
type certificate struct {
	key     string // "ingest.tls"
	files   TLS
	watch   FileWatch // of files, since they were read first; watchCertificates' own
	current atomic.Pointer[tls.Config]
}

func newCertificate(key string, files TLS) (*certificate, error) {
	c := &certificate{key: key, files: files}
	for _, path := range files.files() {
		c.watch.note(path)
	}
	loaded, err := files.load(key)
	if err != nil {
		return nil, err
	}
	c.current.Store(loaded)
	return c, nil
}

// config serves every connection with the certificate of its moment. Those that
// are open keep theirs.
func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.current.Load(), nil },
	}
}

// reload takes what the files have now. Whatever is wrong with it leaves the
// certificate as it is.
func (c *certificate) reload(log *slog.Logger) {
	loaded, err := c.files.load(c.key)
	if err != nil {
		log.Error("new certificate not taken; the one before stays in use", "until", c.expires().Format(time.RFC3339), "err", err)
		return
	}
	c.current.Store(loaded)
	log.Info("certificate taken", "key", c.key, "until", c.expires().Format(time.RFC3339))
}

// expires is the moment from which clients refuse the certificate.
func (c *certificate) expires() time.Time { return expiry(c.current.Load()) }

// expiry is the end of the first certificate: the port's own.
func expiry(c *tls.Config) time.Time { return c.Certificates[0].Leaf.NotAfter }

// watchCertificates takes new certificates when their files change, until ctx
// ends.
func (g *Gateway) watchCertificates(ctx context.Context) {
	look := time.NewTicker(watchEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
		for _, c := range g.certificates {
			if c.watch.changed() {
				c.reload(g.log)
			}
		}
	}
}

// certify opens the certificate of a listener. SIGHUP has it read again at once.
func (g *Gateway) certify(key string, files TLS) (*certificate, error) {
	c, err := newCertificate(key, files)
	if err != nil {
		return nil, err
	}
	if end := c.expires(); time.Now().After(end) {
		g.log.Warn("the certificate has expired: clients refuse it", "key", key, "since", end.Format(time.RFC3339))
	}
	g.certificates = append(g.certificates, c)
	g.metrics.watchExpiry(key, c.expires)
	g.onReload(func(Config) (func(), error) { return func() { c.reload(g.log) }, nil })
	return c, nil
}

// listenersTLS: a port that was to be secret must not open in the clear.
func listenersTLS(c Config, _ Origins) error {
	if c.Operations.Listen == OnIngest && c.Operations.TLS != (TLS{}) {
		return errors.New("operations.tls: operations share the ingest port: ingest.tls is theirs")
	}
	return errors.Join(c.Ingest.TLS.incomplete("ingest.tls"), c.Operations.TLS.incomplete("operations.tls"))
}

// checkTLS says what each port would prove itself with.
func checkTLS(c Config, now time.Time) []Finding {
	var findings []Finding
	for _, port := range []struct {
		key   string
		files TLS
	}{{"ingest.tls", c.Ingest.TLS}, {"operations.tls", c.Operations.TLS}} {
		if !port.files.on() || port.files.incomplete(port.key) != nil {
			continue
		}
		loaded, err := port.files.load(port.key)
		if err != nil {
			findings = append(findings, Finding{Check: "tls", Detail: err.Error()})
			continue
		}
		end := expiry(loaded)
		found := Finding{Check: "tls", OK: now.Before(end), Detail: port.key + ": " + port.files.Cert + " is good until " + end.Format(time.RFC3339)}
		if !found.OK {
			found.Detail = port.key + ": " + port.files.Cert + " has expired: clients refuse it since " + end.Format(time.RFC3339)
		}
		findings = append(findings, found)
	}
	return findings
}

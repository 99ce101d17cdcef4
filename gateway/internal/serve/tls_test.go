package serve_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"daybook.dev/gateway/internal/serve"
)

// An authority issues certificates for one test.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, key: newKey(t)}
	a.cert = &x509.Certificate{
		Subject: pkix.Name{CommonName: "authority of a test"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return a
}

// issue returns a certificate for 127.0.0.1, and for a client of that URI.
func (a *authority) issue(serial int64, expires time.Time, uri string) tls.Certificate {
	a.t.Helper()
	key := newKey(a.t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: expires,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if uri != "" {
		parsed, err := url.Parse(uri)
		if err != nil {
			a.t.Fatal(err)
		}
		template.URIs = []*url.URL{parsed}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// A pemFiles is where the configuration expects a certificate.
type pemFiles struct {
	serve.TLS
	t *testing.T
}

func newPEMFiles(t *testing.T) pemFiles {
	dir := t.TempDir()
	return pemFiles{serve.TLS{Cert: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key")}, t}
}

func (f pemFiles) write(c tls.Certificate) {
	f.t.Helper()
	f.writePEM(f.Cert, "CERTIFICATE", c.Certificate[0])
	f.writeKey(c)
}

func (f pemFiles) writeKey(c tls.Certificate) {
	f.t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		f.t.Fatal(err)
	}
	f.writePEM(f.Key, "PRIVATE KEY", key)
}

// writePEM replaces a file in one step, as certificate managers do.
func (f pemFiles) writePEM(path, kind string, der []byte) {
	f.t.Helper()
	err := os.WriteFile(path+".new", pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

// trusting returns a client that trusts the authority, and shows a certificate
// where one is given. Every request makes a connection of its own.
func (a *authority) trusting(own ...tls.Certificate) *http.Client {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	transport := &http.Transport{
		ForceAttemptHTTP2: true, DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool, Certificates: own},
	}
	a.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func inAnHour() time.Time { return time.Now().Add(time.Hour) }

// served returns the serial number of the certificate behind an address.
func served(t *testing.T, client *http.Client, address string) int64 {
	t.Helper()
	response, err := client.Get(address + "/health")
	if err != nil {
		t.Error(err)
		return 0
	}
	_ = response.Body.Close()
	return response.TLS.PeerCertificates[0].SerialNumber.Int64()
}

func TestBothPortsSpeakTLS(t *testing.T) {
	a, f := newAuthority(t), newPEMFiles(t)
	f.write(a.issue(1, inAnHour(), ""))
	g := start(t, serve.Config{Ingest: serve.Ingest{TLS: f.TLS}, Operations: serve.Operations{TLS: f.TLS}})
	g.client = a.trusting()
	if !strings.HasPrefix(g.IngestURL(), "https://") || !strings.HasPrefix(g.OperationsURL(), "https://") {
		t.Errorf("the URLs are %s and %s", g.IngestURL(), g.OperationsURL())
	}
	if status, body := g.do("POST", g.IngestURL()+"/v1/events", `{"event_name":"hello"}`); status != 200 {
		t.Errorf("%d %s", status, body)
	}
	if _, body := g.do("GET", g.OperationsURL()+"/v1/tail?from=start&follow=false", ""); !strings.Contains(body, `"event_name":"hello"`) {
		t.Errorf("tail says %s", body)
	}
	if _, metrics := g.do("GET", g.OperationsURL()+"/metrics", ""); !strings.Contains(metrics, `daybook_tls_expires_timestamp_seconds{listener="ingest"}`) {
		t.Error("no metric says when the certificate expires")
	}
	if status, body := g.do("POST", strings.Replace(g.IngestURL(), "https", "http", 1)+"/v1/events", `{"event_name":"in-the-clear"}`); status != 400 || !strings.Contains(body, "HTTPS server") {
		t.Errorf("in the clear: %d %s", status, body)
	}
}

func TestTLSCarriesHTTP2AndHTTP1(t *testing.T) {
	a, f := newAuthority(t), newPEMFiles(t)
	f.write(a.issue(1, inAnHour(), ""))
	g := start(t, serve.Config{Ingest: serve.Ingest{TLS: f.TLS}})
	client := a.trusting()
	transport := client.Transport.(*http.Transport)
	for offered, want := range map[string]int{"h2,http/1.1": 2, "http/1.1": 1} {
		one := transport.Clone()
		one.TLSClientConfig.NextProtos = strings.Split(offered, ",")
		one.ForceAttemptHTTP2 = want == 2
		response, err := (&http.Client{Transport: one}).Get(g.IngestURL() + "/health")
		if err != nil {
			t.Error(err)
			continue
		}
		_ = response.Body.Close()
		one.CloseIdleConnections()
		if response.ProtoMajor != want {
			t.Errorf("who offers %s gets %s", offered, response.Proto)
		}
	}
	old := transport.TLSClientConfig.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 // that they are refused is the point
	c, err := tls.Dial("tcp", strings.TrimPrefix(g.IngestURL(), "https://"), old)
	if err == nil {
		_ = c.Close()
		t.Error("TLS 1.1 is spoken")
	}
}

func TestACertificateIsReplacedUnderLoad(t *testing.T) {
	a, f := newAuthority(t), newPEMFiles(t)
	f.write(a.issue(1, inAnHour(), ""))
	g := start(t, serve.Config{Ingest: serve.Ingest{TLS: f.TLS}})
	client := a.trusting()
	var seen sync.Map
	var stop atomic.Bool
	var load sync.WaitGroup
	for range 4 {
		load.Go(func() {
			for !stop.Load() {
				seen.Store(served(t, client, g.IngestURL()), true)
			}
		})
	}
	has := func(serial int64) bool { _, ok := seen.Load(serial); return ok }
	waitFor(t, "the first certificate", func() bool { return has(1) })
	f.write(a.issue(2, inAnHour(), ""))
	waitFor(t, "the second certificate", func() bool { return has(2) })
	stop.Store(true)
	load.Wait()
	if got := served(t, client, g.IngestURL()); got != 2 || has(0) {
		t.Errorf("certificate %d is served at the end; requests failed: %v", got, has(0))
	}
}

func TestANewCertificateThatIsNotInOrderLeavesTheOldOne(t *testing.T) {
	a, f := newAuthority(t), newPEMFiles(t)
	f.write(a.issue(1, inAnHour(), ""))
	var log syncBuffer
	file := &fileOf{text: "ingest: {tls: {cert: " + f.Cert + ", key: " + f.Key + "}}"}
	g := startFrom(t, file, slog.New(slog.NewTextHandler(&log, nil)))
	client := a.trusting()

	second := a.issue(2, inAnHour(), "")
	f.writePEM(f.Cert, "CERTIFICATE", second.Certificate[0]) // its key is still to come
	if err := g.Reload(); err != nil {
		t.Errorf("the rest of the configuration is refused too: %v", err)
	}
	if got := served(t, client, g.IngestURL()); got != 1 {
		t.Errorf("certificate %d is served", got)
	}
	const said = "new certificate not taken; the one before stays in use"
	if !strings.Contains(log.String(), said) || !strings.Contains(log.String(), "ingest.tls: tls: private key does not match public key") {
		t.Errorf("the log does not say it:\n%s", log.String())
	}
	f.writeKey(second)
	if err := g.Reload(); err != nil {
		t.Error(err)
	}
	if got := served(t, client, g.IngestURL()); got != 2 {
		t.Errorf("certificate %d is served", got)
	}
	if strings.Contains(log.String(), "PRIVATE") {
		t.Error("the log holds a key")
	}
}

func TestClientCertificatesAreVerifiedWhereTheyAreShown(t *testing.T) {
	a, clients, f := newAuthority(t), newAuthority(t), newPEMFiles(t)
	f.write(a.issue(1, inAnHour(), ""))
	f.ClientCA = filepath.Join(t.TempDir(), "clients.crt")
	f.writePEM(f.ClientCA, "CERTIFICATE", clients.cert.Raw)
	g := start(t, serve.Config{Ingest: serve.Ingest{TLS: f.TLS}})
	for name, c := range map[string]struct {
		shown []tls.Certificate
		ok    bool
	}{
		"none":                    {nil, true},
		"one of the authority":    {[]tls.Certificate{clients.issue(7, inAnHour(), "spiffe://test/a")}, true},
		"one of another":          {[]tls.Certificate{a.issue(8, inAnHour(), "spiffe://test/a")}, false},
		"an old one":              {[]tls.Certificate{clients.issue(9, time.Now().Add(-time.Hour), "spiffe://test/a")}, false},
		"one that nobody has the": {[]tls.Certificate{{Certificate: clients.issue(10, inAnHour(), "").Certificate, PrivateKey: newKey(t)}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			client := a.trusting(c.shown...)
			if len(c.shown) > 0 { // also where the server says that it would not take it
				client.Transport.(*http.Transport).TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c.shown[0], nil }
			}
			response, err := client.Get(g.IngestURL() + "/health")
			if err == nil {
				_ = response.Body.Close()
			}
			if (err == nil) != c.ok {
				t.Errorf("it is let in: %v (%v)", err == nil, err)
			}
		})
	}
}

func TestAClientWhoseAuthorityIsGoneDoesNotGoOnWithItsSession(t *testing.T) {
	a, before, after, f := newAuthority(t), newAuthority(t), newAuthority(t), newPEMFiles(t)
	f.write(a.issue(1, inAnHour(), ""))
	f.ClientCA = filepath.Join(t.TempDir(), "clients.crt")
	f.writePEM(f.ClientCA, "CERTIFICATE", before.cert.Raw)
	file := &fileOf{text: "ingest: {tls: {cert: " + f.Cert + ", key: " + f.Key + ", client_ca: " + f.ClientCA + "}}\n" +
		"callers:\n  - {name: mesh, mtls: {uri: 'spiffe://test/mesh'}}\n"}
	g := startFrom(t, file, nil)
	g.client = a.trusting(before.issue(7, inAnHour(), "spiffe://test/mesh"))
	transport := g.client.Transport.(*http.Transport)
	transport.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	send := func() (status int, resumed bool) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.IngestURL()+"/v1/events", strings.NewReader(`{"event_name":"hello"}`))
		if err != nil {
			t.Fatal(err)
		}
		response, err := g.client.Do(request)
		if err != nil {
			return 0, false
		}
		_ = response.Body.Close()
		return response.StatusCode, response.TLS.DidResume
	}
	if status, _ := send(); status != 200 {
		t.Fatalf("the certificate: %d", status)
	}
	if status, resumed := send(); status != 200 || !resumed {
		t.Fatalf("its session: %d, resumed %v", status, resumed)
	}
	f.writePEM(f.ClientCA, "CERTIFICATE", after.cert.Raw)
	if err := g.Reload(); err != nil {
		t.Fatal(err)
	}
	if status, resumed := send(); status == 200 || resumed {
		t.Errorf("its session without the authority: %d, resumed %v", status, resumed)
	}
}

func TestACertificateThatCannotServeIsRefusedAtTheStart(t *testing.T) {
	a, f := newAuthority(t), newPEMFiles(t)
	f.write(a.issue(1, inAnHour(), ""))
	other := newPEMFiles(t)
	other.write(a.issue(2, inAnHour(), ""))
	ingest := func(t serve.TLS) serve.Config { return serve.Config{Ingest: serve.Ingest{TLS: t}} }
	for want, c := range map[string]serve.Config{
		"ingest.tls.cert: is there without ingest.tls.key":           ingest(serve.TLS{Cert: f.Cert}),
		"ingest.tls.key: is there without ingest.tls.cert":           ingest(serve.TLS{Key: f.Key}),
		"ingest.tls.client_ca: only a port that speaks TLS":          ingest(serve.TLS{ClientCA: f.Cert}),
		"ingest.tls: tls: private key does not match public key":     ingest(serve.TLS{Cert: f.Cert, Key: other.Key}),
		"ingest.tls: open /nowhere: no such file or directory":       ingest(serve.TLS{Cert: "/nowhere", Key: f.Key}),
		"ingest.tls.client_ca: " + f.Key + " has no certificate":     ingest(serve.TLS{Cert: f.Cert, Key: f.Key, ClientCA: f.Key}),
		"operations.tls: operations share the ingest port":           {Operations: serve.Operations{Listen: serve.OnIngest, Token: "x", TLS: f.TLS}},
		"operations.tls: tls: private key does not match public key": {Operations: serve.Operations{TLS: serve.TLS{Cert: f.Cert, Key: other.Key}}},
	} {
		if _, err := serve.Open(t.Context(), onFreePorts(t, c), serve.Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
}

func TestCheckSaysUntilWhenCertificatesAreGood(t *testing.T) {
	a, old, good := newAuthority(t), newPEMFiles(t), newPEMFiles(t)
	old.write(a.issue(1, time.Now().Add(-time.Hour), ""))
	good.write(a.issue(2, inAnHour(), ""))
	c := onFreePorts(t, serve.Config{Ingest: serve.Ingest{TLS: good.TLS}, Operations: serve.Operations{TLS: old.TLS}})
	var said []string
	for _, found := range serve.Check(t.Context(), c, nil, "") {
		if found.Check == "tls" {
			said = append(said, found.Detail)
			if found.OK != strings.HasPrefix(found.Detail, "ingest.tls") {
				t.Errorf("%+v", found)
			}
		}
	}
	if len(said) != 2 || !strings.Contains(said[0], "is good until") || !strings.Contains(said[1], "has expired: clients refuse it since") {
		t.Errorf("check says %q", said)
	}
	var log syncBuffer
	g := startWith(t, c, serve.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	response, err := a.trusting().Get(g.OperationsURL() + "/health")
	if err == nil {
		_ = response.Body.Close()
		t.Error("an old certificate is trusted")
	}
	if !strings.Contains(log.String(), "the certificate has expired: clients refuse it") {
		t.Errorf("the log says\n%s", log.String())
	}
}

func TestHandshakesThatFailAreNoWarnings(t *testing.T) {
	a, f := newAuthority(t), newPEMFiles(t)
	f.write(a.issue(1, inAnHour(), ""))
	var log syncBuffer
	g := startWith(t, serve.Config{Ingest: serve.Ingest{TLS: f.TLS}},
		serve.Options{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if response, err := newAuthority(t).trusting().Get(g.IngestURL()); err == nil {
		_ = response.Body.Close()
		t.Fatal("a certificate of nobody is trusted")
	}
	waitFor(t, "the line about the handshake", func() bool { return strings.Contains(log.String(), "TLS handshake error") })
	if strings.Contains(log.String(), "level=WARN") {
		t.Errorf("it is a warning:\n%s", log.String())
	}
}

// A syncBuffer is a log that is read while it is written.
type syncBuffer struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// waitFor waits for a condition that others bring about.
func waitFor(t *testing.T, what string, met func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !met() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writeCertificate makes a certificate for this machine that is its own authority.
func writeCertificate(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func TestCommandsTrustAPrivateAuthorityThatTheEnvironmentNames(t *testing.T) {
	dir := t.TempDir()
	cert, key := writeCertificate(t, dir)
	p, err := startGateway(dir, nil, "--data", "data", "--ingest-listen", "127.0.0.1:0", "--operations-listen", "127.0.0.1:0",
		"--ingest-tls-cert", cert, "--ingest-tls-key", key, "--operations-tls-cert", cert, "--operations-tls-key", key)
	if err != nil {
		t.Fatal(err)
	}
	defer p.kill()
	if !strings.HasPrefix(p.ingest, "https://") || !strings.HasPrefix(p.operations, "https://") {
		t.Fatalf("it serves at %s and %s", p.ingest, p.operations)
	}
	run := func(trusted string, args ...string) (string, error) {
		c := command(args...)
		c.Dir = dir
		c.Env = append(os.Environ(), "DAYBOOK_GATEWAY="+p.ingest, "SSL_CERT_FILE="+trusted,
			"DAYBOOK_OPERATIONS_LISTEN="+strings.TrimPrefix(p.operations, "https://"), "DAYBOOK_OPERATIONS_TLS_CERT="+cert)
		output, err := c.CombinedOutput()
		return string(output), err
	}
	if output, err := run(cert, "send", "hello"); err != nil {
		t.Errorf("send: %v\n%s", err, output)
	}
	if output, err := run(cert, "tail", "--from", "start", "--no-follow", "-o", "json"); err != nil || !strings.Contains(output, `"event_name":"hello"`) {
		t.Errorf("tail: %v\n%s", err, output)
	}
	for _, args := range [][]string{{"send", "hello", "--retry-for", "0s"}, {"tail", "--from", "start", "--no-follow"}} {
		if output, err := run("/dev/null", args...); err == nil || !strings.Contains(output, "certificate signed by unknown authority") {
			t.Errorf("%s trusts anybody: %v\n%s", args[0], err, output)
		}
	}
	if err := p.stop(); err != nil {
		t.Error(err)
	}
}

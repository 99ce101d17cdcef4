package outboundtest

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"

	"daybook.dev"
	"daybook.dev/sink/sinktest"
)

// inside are hosts that no sink connects to unless private addresses are
// allowed, and never are those that it does not connect to even then.
var (
	inside = []string{
		"127.0.0.1", "127.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "198.18.0.1", "192.0.2.1",
		"[::1]", "[fc00::1]", "[fd12:3456:789a::1]", "[2001:db8::1]",
		"[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:10.0.0.1]", // IPv4 in IPv6
		"[::127.0.0.1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::a00:1]", "[2002:7f00:1::]", "[2002:a00:1::1]", // and in other ways
		"localhost", "LOCALHOST", "localhost.", "db.localhost",
	}
	never = []string{
		"0.0.0.0", "0.1.2.3", "[::]", "255.255.255.255", "240.0.0.1", "224.0.0.1", "239.1.2.3", "[ff02::1]",
		"169.254.169.254", "169.254.0.1", "[fe80::1]", "[fe80::1%25eth0]", "[::ffff:169.254.169.254]", "[64:ff9b::169.254.169.254]",
		"[fd00:ec2::254]", "100.100.100.200", "168.63.129.16",
		"[::ffff:0:127.0.0.1]", "[2001::1]", "[5f00::1]", "[100::1]",
		// 127.0.0.1 in the ways of inet_aton, which some resolvers read.
		"2130706433", "017700000001", "0x7f000001", "0177.0.0.1", "127.1", "127.0.1", "0x7f.0.0.1", "0x7f.1", "127.0.0.0x1", "1.2.3.4.5",
	}
	outside = []string{"8.8.8.8", "[2600::1]", "[64:ff9b::808:808]", "[2002:808:808::1]", "example.com", "xn--bcher-kva.example", "203.0.114.1"}
)

// Addresses runs the tests of what the sink connects to.
func (c Case) Addresses(t *testing.T) {
	t.Run("an address inside is refused when the sink is opened, unless it is allowed", func(t *testing.T) {
		for _, host := range inside {
			c.checkOpen(t, host, false, false)
			c.checkOpen(t, host, true, true)
		}
	})
	t.Run("some addresses are refused always", func(t *testing.T) {
		for _, host := range never {
			c.checkOpen(t, host, false, false)
			c.checkOpen(t, host, true, false)
		}
	})
	t.Run("other addresses are not refused", func(t *testing.T) {
		for _, host := range outside {
			c.checkOpen(t, host, false, true)
		}
	})
	t.Run("a name is judged by what it resolves to when a connection is made", c.testNames)
	t.Run("a name that changes its mind is judged every time", c.testRebinding)
	t.Run("a redirect leads nowhere", c.testRedirect)
}

func (c Case) checkOpen(t *testing.T, host string, allowPrivate, want bool) {
	t.Helper()
	s, err := c.Open("http://"+host+":9/", attempt, allowPrivate)
	if err == nil {
		s.Close(t.Context())
	}
	switch e, _ := errors.AsType[*daybook.Error](err); {
	case want && err != nil:
		t.Errorf("%s with private addresses allowed = %v is refused: %v", host, allowPrivate, err)
	case !want && (e == nil || e.Code != daybook.Invalid || e.Field != "url"):
		t.Errorf("%s with private addresses allowed = %v: error is %v, want an invalid url", host, allowPrivate, err)
	}
}

// victim is a server on this machine that nobody may reach.
func (c Case) victim(t *testing.T) (s *server, port string) {
	s = serve(t, c.Good)
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return s, port
}

func (c Case) testNames(t *testing.T) {
	victim, port := c.victim(t)
	resolve(t, map[string][]string{
		"inside.example.": {"127.0.0.1"}, "mapped.example.": {"::ffff:127.0.0.1"}, "six.example.": {"::1"},
		"metadata.example.": {"169.254.169.254"}, "zero.example.": {"0.0.0.0"}, "carrier.example.": {"100.64.1.1"},
		"both.example.": {"10.0.0.1", "127.0.0.1"},
	})
	for _, name := range []string{"inside", "mapped", "six", "metadata", "zero", "carrier", "both"} {
		c.refusesToConnect(t, "http://"+name+".example:"+port, false)
	}
	for _, name := range []string{"metadata", "zero"} {
		c.refusesToConnect(t, "http://"+name+".example:"+port, true)
	}
	if n := victim.requests.Load(); n != 0 {
		t.Errorf("%d requests came through", n)
	}
	t.Run("and taken where it is allowed", func(t *testing.T) {
		s := c.open(t, "http://inside.example:"+port, prompt)
		if err := s.Write(t.Context(), []daybook.Event{sinktest.Event("e")}); err != nil {
			t.Error(err)
		}
	})
}

// refusesToConnect wants an error that calls for a person: nothing of this
// changes by waiting, and no event is to blame.
func (c Case) refusesToConnect(t *testing.T, url string, allowPrivate bool) {
	t.Helper()
	s, err := c.Open(url, prompt, allowPrivate)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	err = s.Write(t.Context(), []daybook.Event{sinktest.Event("e")})
	if e, _ := errors.AsType[*daybook.Error](err); e == nil || e.Code != daybook.Denied || e.Reason != "forbidden_address" {
		t.Errorf("%s: error is %v, want denied because of a forbidden address", url, err)
	}
	if err != nil {
		sinktest.CheckText(t, err, c.Secrets...)
	}
}

// testRebinding is a name that first leads to nobody, and then inside.
func (c Case) testRebinding(t *testing.T) {
	victim, port := c.victim(t)
	answers := resolve(t, map[string][]string{})
	s, err := c.Open("http://rebinding.example:"+port, prompt, false)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	if err := s.Write(t.Context(), []daybook.Event{sinktest.Event("e")}); daybook.CodeOf(err) != daybook.Unavailable {
		t.Errorf("a name without an address: %v, want unavailable", err)
	}
	answers.set("rebinding.example.", "127.0.0.1")
	if err := s.Write(t.Context(), []daybook.Event{sinktest.Event("e")}); daybook.CodeOf(err) != daybook.Denied {
		t.Errorf("a name that leads inside now: %v, want denied", err)
	}
	if n := victim.requests.Load(); n != 0 {
		t.Errorf("%d requests came through", n)
	}
}

func (c Case) testRedirect(t *testing.T) {
	victim, _ := c.victim(t)
	for _, status := range []int{300, 301, 302, 303, 307, 308} {
		server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", victim.URL)
			w.WriteHeader(status)
		})
		err := c.open(t, server.URL, prompt).Write(t.Context(), []daybook.Event{sinktest.Event("e")})
		if code := daybook.CodeOf(err); code != daybook.Unimplemented {
			t.Errorf("%d: error is %v (%v), want unimplemented", status, err, code)
		}
		if err != nil && strings.Contains(err.Error(), victim.URL) {
			t.Errorf("the error shows where the redirect leads: %v", err)
		}
	}
	if n := victim.requests.Load(); n != 0 {
		t.Errorf("%d requests came through", n)
	}
}

package main

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestAGatewayGoesOnServingAfterAHangupAndSaysWhatItTakes(t *testing.T) {
	p := start(t, t.TempDir(), "127.0.0.1:0")
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	deadline := time.After(10 * time.Second)
	for !strings.Contains(p.log.String(), "restart to read the configuration again") {
		select {
		case <-p.exited:
			t.Fatalf("the gateway ended: %v\n%s", p.err, p.log)
		case <-deadline:
			t.Fatalf("it says nothing\n%s", p.log)
		case <-time.After(time.Millisecond):
		}
	}
	requireFresh(t, p, "after")
	if err := p.stop(); err != nil {
		t.Error(err)
	}
}

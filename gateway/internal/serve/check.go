package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"daybook.dev/gateway/internal/caller"
	"daybook.dev/internal/wal"
)

// A Finding is one line of a check: what would happen, or what stands in the
// way.
type Finding struct {
	Check  string `json:"check"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// Check says what a gateway with this configuration would do, without opening
// one. Ephemeral is as in [Options].
func Check(ctx context.Context, c Config, from Origins, ephemeral string) []Finding {
	c = c.withDefaults()
	findings := []Finding{
		{"ingest", true, c.Ingest.URL() + ": " + c.WhoMaySend() + inUse(ctx, c.Ingest.Listen)},
		{"operations", true, c.operationsURL() + ": " + c.WhoMayRead() + inUse(ctx, c.Operations.Listen)},
	}
	findings = append(findings, checkTLS(c, time.Now())...)
	if c.Store == journalStore {
		findings = append(findings, checkData(c, ephemeral), checkRetention(c), checkEvidence(c))
	}
	findings = append(findings, checkDelivery(c, from)...)
	problems := c.Problems(from)
	if c.CallersFile != "" {
		problems = append(problems, unknownCallers(c, from)...)
	}
	for _, problem := range problems {
		findings = append(findings, Finding{"rules", false, problem.Error()})
	}
	return findings
}

// WhoMaySend says it in a sentence's end.
func (c Config) WhoMaySend() string {
	anybody := "anybody who can reach this port"
	if c.Ingest.Listen.Loopback() {
		anybody = "anybody on this machine"
	}
	if !c.enforced() {
		return anybody + " may send"
	}
	known := len(c.Kept)
	for i := range c.Callers {
		if c.Callers[i].Name != caller.AnonymousName { // which is nobody: it bounds the others
			known++
		}
	}
	text := fmt.Sprintf("%d callers may send", known)
	if known == 1 {
		text = "1 caller may send"
	}
	if c.AllowAnonymous {
		text += ", and " + anybody + " who shows no credentials"
	}
	return text
}

// enforced reports whether credentials are asked for.
func (c Config) enforced() bool {
	known, _ := c.callers(nil)
	return known.Enforces()
}

// WhoMayRead says it in a sentence's end.
func (c Config) WhoMayRead() string {
	if c.Operations.Listen.Loopback() && !c.Operations.closed() {
		return "anybody on this machine may read"
	}
	return "whoever has the operations token may read"
}

func (c Config) operationsURL() string {
	if c.Operations.Listen == OnIngest {
		return c.Ingest.URL() + "/-"
	}
	return c.Operations.URL()
}

// inUse remarks that a port is taken. That is no problem of the configuration:
// it may be checked beside the gateway that runs with it.
func inUse(ctx context.Context, at Address) string {
	if at == OnIngest {
		return ""
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", string(at))
	if errors.Is(err, syscall.EADDRINUSE) {
		return " (in use now)"
	}
	if err == nil {
		_ = l.Close()
	}
	return ""
}

// checkData judges the disk that the data directory is or would be on.
func checkData(c Config, ephemeral string) Finding {
	found := Finding{Check: "data", Detail: c.Data}
	dir, missing, err := nearestDirectory(c.Data)
	if err == nil {
		err = writable(dir)
	}
	var volume wal.Volume
	if err == nil {
		volume, err = wal.OS{}.Volume(dir)
	}
	if err != nil {
		found.Detail += ": " + err.Error()
		return found
	}
	if missing {
		found.Detail += " (will be made)"
	}
	found.Detail += ": " + volume.Kind
	if volume.Free >= 0 {
		found.Detail += ", " + HumanBytes(uint64(volume.Free)) + " free"
	}
	verdict := diskVerdict(volume, ephemeral, c.AllowEphemeral)
	found.OK = verdict.OK
	found.Detail += verdict.Detail
	return found
}

// diskVerdict says what a sync there is worth.
func diskVerdict(v wal.Volume, ephemeral string, allowed bool) Finding {
	switch {
	case v.Network:
		return Finding{Detail: "; a network file system keeps neither syncs nor locks reliably: use a local disk"}
	case !v.Memory && ephemeral == "":
		return Finding{OK: true, Detail: "; an OK means fsync"}
	case allowed:
		return Finding{OK: true, Detail: "; it is memory, which allow_ephemeral accepts: an OK means memory"}
	case ephemeral != "":
		return Finding{Detail: "; it is memory (" + ephemeral + "): use a disk, or --allow-ephemeral to accept that"}
	}
	return Finding{Detail: "; it is memory: use a disk, or --allow-ephemeral to accept that"}
}

// nearestDirectory returns dir, or the nearest folder above it that exists.
func nearestDirectory(dir string) (nearest string, missing bool, err error) {
	dir, err = filepath.Abs(dir)
	for err == nil {
		var info os.FileInfo
		if info, err = os.Stat(dir); err == nil && !info.IsDir() {
			return "", false, fmt.Errorf("%s is not a directory", dir)
		}
		if err == nil {
			return dir, missing, nil
		}
		if !errors.Is(err, os.ErrNotExist) || filepath.Dir(dir) == dir {
			break
		}
		dir, missing, err = filepath.Dir(dir), true, nil
	}
	return "", false, err
}

// writable makes a file in dir and removes it.
func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".daybook-check-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// HumanBytes rounds to three digits: "103 GB".
func HumanBytes(n uint64) string {
	const units = "kMGTPE"
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n)/1000, 0
	for value >= 999.5 && unit < len(units)-1 {
		value, unit = value/1000, unit+1
	}
	if value < 10 {
		return fmt.Sprintf("%.1f %cB", value, units[unit])
	}
	return fmt.Sprintf("%.0f %cB", value, units[unit])
}

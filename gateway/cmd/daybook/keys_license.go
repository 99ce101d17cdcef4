package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"daybook.dev/gateway/internal/caller/license"
)

func newLicenseVerify(a *app) *cobra.Command {
	var files []string
	cmd := &cobra.Command{
		Use:   "license-verify [KEY|-]",
		Short: "Print what a license key says, and whether it verifies",
		Long: "Read the license key of an instance from standard input, or from KEY (which the history of the\n" +
			"shell then has too), print what it says and whether one of the public keys has signed it. A file\n" +
			"of public keys holds lines of authorized_keys, PEM, or the base64 of SSH's wire form.\n\n" +
			"The exit status is 1 where the key does not verify. One that has expired does: gateways take it\n" +
			"unless the caller's row says instances.enforce_expiry.\n\n" +
			`With -o json: {"sha256","version","tags","users","created","expires","expired","verified","signed_by","reason"}.`,
		Example: "  daybook keys license-verify --public-key vendor.pub < license.txt\n" +
			"  pbpaste | daybook keys license-verify --public-key old.pub --public-key new.pub -o json",
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return a.licenseVerify(slices.Concat(args, []string{"-"})[0], files)
		},
	}
	cmd.Flags().StringArrayVar(&files, "public-key", nil, "`FILE` of public keys, one of which is to have signed the license; several times for several files")
	return cmd
}

// A licenseReport is what is printed of a license key.
type licenseReport struct {
	SHA256   string     `json:"sha256"`
	Version  int        `json:"version"`
	Tags     []string   `json:"tags"`
	Users    uint       `json:"users"`
	Created  *time.Time `json:"created"`
	Expires  *time.Time `json:"expires"`
	Expired  bool       `json:"expired"`
	Verified bool       `json:"verified"`
	SignedBy string     `json:"signed_by"` // fingerprint of the public key; "" = nobody's
	Reason   string     `json:"reason"`    // why it does not verify
}

func (a *app) licenseVerify(text string, files []string) error {
	keys, err := publicKeys(files)
	if err != nil {
		return err
	}
	if text == "-" {
		if text, err = a.readLicense(); err != nil {
			return err
		}
	}
	key, err := license.Parse(text)
	if err != nil {
		return err
	}
	r := reportOf(key, keys, time.Now())
	r.SHA256 = license.Hash(text)
	if a.json() {
		err = printJSON(a.stdout, r)
	} else {
		err = r.print(a.stdout)
	}
	if err == nil && !r.Verified {
		return errReported
	}
	return err
}

// readLicense reads standard input: a license key is no longer than that.
func (a *app) readLicense() (string, error) {
	if a.stdinIsTerminal {
		a.hint("Paste the license key, then press Ctrl-D.")
	}
	const most = 64 << 10 // more than a key may have: the parser says so
	text, err := io.ReadAll(io.LimitReader(a.stdin, most))
	return string(text), err
}

func publicKeys(files []string) ([]license.PublicKey, error) {
	var all []license.PublicKey
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("--public-key: %w", err)
		}
		keys, err := license.ParsePublicKeys(string(text))
		if err != nil {
			return nil, fmt.Errorf("--public-key: %s: %w", file, err)
		}
		all = append(all, keys...)
	}
	return all, nil
}

func reportOf(key *license.Key, trusted []license.PublicKey, now time.Time) licenseReport {
	r := licenseReport{
		Version: key.Info.Version, Tags: append([]string{}, key.Info.Tags...), Users: key.Info.Users,
		Created: timeOrNil(key.Info.Created), Expires: timeOrNil(key.Info.Expires), Expired: key.Expired(now) != nil,
	}
	if err := key.Verify(trusted); err != nil {
		r.Reason = err.Error()
		return r
	}
	for _, one := range trusted {
		if key.Verify([]license.PublicKey{one}) == nil {
			r.Verified, r.SignedBy = true, one.Fingerprint()
			break
		}
	}
	return r
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func (r licenseReport) print(w io.Writer) error {
	verdict := "verified, signed by " + r.SignedBy
	if !r.Verified {
		verdict = "not verified: " + r.Reason
	}
	expires := moment(r.Expires)
	if r.Expired && r.Expires != nil {
		expires += " (it has expired)"
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range [][2]string{
		{"verdict", verdict},
		{"tags", cmp.Or(strings.Join(r.Tags, ", "), "none")},
		{"users", strconv.FormatUint(uint64(r.Users), 10)},
		{"created", moment(r.Created)},
		{"expires", expires},
		{"version", strconv.Itoa(r.Version)},
		{"sha256", r.SHA256},
	} {
		fmt.Fprintf(t, "%s\t%s\n", row[0], printable(row[1]))
	}
	return t.Flush()
}

func moment(t *time.Time) string {
	if t == nil {
		return "not said"
	}
	return t.Format(time.RFC3339)
}

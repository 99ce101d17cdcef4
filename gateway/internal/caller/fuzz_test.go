package caller_test

import (
	"strings"
	"testing"

	"daybook.dev"
	"daybook.dev/gateway/internal/caller"
)

// FuzzAuthorization holds that no header lets anybody in but the ones with a
// secret in them, and that no refusal repeats what was shown.
func FuzzAuthorization(f *testing.F) {
	for _, seed := range []string{
		"", "Bearer", "Bearer " + checkoutKey, "bearer x", "Basic", basic("cli", cliPassword), basic(":", "::"), "Basic " + strings.Repeat("A", 4096),
		"Basic ====", "Digest a=b", "Bearer \x00", "Bearer ✓", strings.Repeat("Bearer ", 3000), "Negotiate x,Bearer y",
	} {
		f.Add(seed)
	}
	r := registry(f, caller.Config{Rows: []caller.Row{
		{Name: "checkout", Keys: []caller.Hash{hash(checkoutKey)}},
		{Name: "cli", Basic: &caller.Basic{User: "cli", SHA256: hash(cliPassword)}},
	}})
	f.Fuzz(func(t *testing.T, header string) {
		who, err := r.Authenticate("http", request(header))
		if err == nil {
			if who.Name != "checkout" && who.Name != "cli" {
				t.Fatalf("%q lets in %q", header, who.Name)
			}
			if who.Name == "checkout" && strings.HasPrefix(strings.ToLower(header), "bearer") && !strings.Contains(header, checkoutKey) {
				t.Fatalf("%q is a proof of checkout", header)
			}
			return
		}
		if err.Code != daybook.Unauthenticated || err.Reason == "" || err.Message == "" || who != (caller.Caller{}) {
			t.Fatalf("refused with %+v as %+v", err, who)
		}
		if _, shown, _ := strings.Cut(header, " "); len(shown) > 20 && strings.Contains(err.Error(), shown) {
			t.Fatalf("the refusal repeats what was shown: %v", err)
		}
	})
}

// FuzzPasswordHash holds that a hash from a configuration is refused or bounded.
func FuzzPasswordHash(f *testing.F) {
	for _, seed := range []string{"", "$2b$10$", "$2a$04$......................u", argon("x"), "$argon2id$v=19$m=1,t=1,p=1$c2FsdHNhbHQ$", "$argon2id$$$$"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c := caller.Config{Rows: []caller.Row{{Name: "u", Basic: &caller.Basic{User: "u", Slow: text}}}}
		for _, problem := range c.Problems() {
			if len(text) > 20 && strings.Contains(problem.Error(), text) {
				t.Fatalf("the problem repeats the hash: %v", problem)
			}
		}
	})
}

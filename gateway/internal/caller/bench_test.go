package caller_test

import (
	"fmt"
	"testing"

	"daybook.dev/gateway/internal/caller"
)

// BenchmarkAuthenticateNoAlloc is what every request with a key pays, among a
// thousand callers.
func BenchmarkAuthenticateNoAlloc(b *testing.B) {
	c := callers(b)
	for i := range 1000 {
		c.Rows = append(c.Rows, caller.Row{Name: fmt.Sprint("caller-", i), Keys: []caller.Hash{hash(fmt.Sprint("dbk_", i))}})
	}
	quoted := caller.Row{Name: "quoted", Keys: []caller.Hash{hash("dbk_quoted")}, Quota: caller.Quota{Events: 1e9, Bytes: 1e12}, Events: []string{"page-*"}}
	c.Rows = append(c.Rows, quoted)
	r := registry(b, c)
	for name, key := range map[string]string{"key": checkoutKey, "key with a quota": "dbk_quoted"} {
		b.Run(name, func(b *testing.B) {
			shown := request("Bearer " + key)
			b.ReportAllocs()
			for b.Loop() {
				who, err := r.Authenticate("http", shown)
				if err != nil || who.Take(1, 500) != nil || who.MaySend("page-view") != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkAuthenticate is what the other proofs, and the lack of one, cost.
func BenchmarkAuthenticate(b *testing.B) {
	r := registry(b, callers(b))
	for name, shown := range map[string][]string{
		"generated password": {basic("cli", cliPassword)},
		"chosen password":    {basic("ann@example.com", annPassword)},
		"wrong key":          {"Bearer nobodys"},
		"nothing":            nil,
	} {
		b.Run(name, func(b *testing.B) {
			request := request(shown...)
			b.ReportAllocs()
			for b.Loop() {
				_, _ = r.Authenticate("http", request)
			}
		})
	}
}

package caller

import (
	"net/http"

	"daybook.dev"
)

// Agree refuses a request whose body shows a key that is not that of the caller
// whom its header has proved: two proofs must name one caller. A key alone in a
// body proves nobody, as callers are known before a body is read; where requests
// without proof are let in, it is ignored. Nor is it looked at where there are no
// callers, or no key.
func (r *Registry) Agree(protocol string, request *http.Request, who Caller, key string) *daybook.Error {
	if r == nil || key == "" || who.Name == AnonymousName {
		return nil
	}
	b := r.book.Load()
	if known := b.byKey(key); !b.enforce || known != nil && known.caller.Name == who.Name {
		return nil
	}
	err := unauthenticated(ReasonConflicting, "the key in the body is not that of the caller whom the Authorization header names")
	r.refused(Refusal{Protocol: protocol, Remote: Remote(request), Caller: who.Name, Err: err})
	return err
}

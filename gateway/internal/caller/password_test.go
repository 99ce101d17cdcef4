package caller_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	"daybook.dev"
	"daybook.dev/gateway/internal/caller"
)

func argon(password string) string {
	salt := []byte("0123456789abcdef")
	sum := argon2.IDKey([]byte(password), salt, 1, 64, 1, 32)
	encode := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=19$m=64,t=1,p=1$%s$%s", encode(salt), encode(sum))
}

func TestChosenPasswordsAreBcryptOrArgon2id(t *testing.T) {
	long := strings.Repeat("x", 72)
	r := registry(t, caller.Config{Rows: []caller.Row{
		{Name: "a", Basic: &caller.Basic{User: "a", Slow: argon("pa:ss")}},
		{Name: "b", Basic: &caller.Basic{User: "b", Slow: slow(t, long)}},
	}})
	for _, c := range []struct {
		user, password string
		right          bool
	}{
		{"a", "pa:ss", true},
		{"a", "pa", false},
		{"b", long, true},
		{"b", long + "y", false}, // bcrypt looks at 72 bytes: what follows must not be free
		{"b", "pa:ss", false},
	} {
		who, err := r.Authenticate("http", request(basic(c.user, c.password)))
		if (err == nil) != c.right || c.right && who.Name != c.user {
			t.Errorf("%s: %+v, %v", c.user, who, err)
		}
	}
}

// A clock that stands still but for what a test adds, and that goes on by a fixed
// time whenever it is looked at twice.
type clock struct {
	mu   sync.Mutex // guards the next two
	at   time.Time
	step time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(c.step)
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func TestAFloodOfWrongPasswordsIsBoundedAndHurtsNobodyElse(t *testing.T) {
	at := &clock{at: time.Unix(0, 0), step: 50 * time.Millisecond}
	r, err := caller.New(caller.Config{Rows: []caller.Row{
		{Name: "ann", Basic: &caller.Basic{User: "ann", Slow: slow(t, annPassword)}},
		{Name: "bob", Basic: &caller.Basic{User: "bob", Slow: slow(t, "bob's")}},
	}}, caller.Options{Now: at.now})
	if err != nil {
		t.Fatal(err)
	}
	in := func(user, password string) *daybook.Error {
		_, err := r.Authenticate("http", request(basic(user, password)))
		return err
	}
	if err := in("ann", annPassword); err != nil {
		t.Fatal(err)
	}
	// Wrong ones seem to take 50 ms each, and the clock moves on by less than four
	// times that at each: a tenth of a processor pays for four in ten.
	const tried = 400
	looked := 0
	for i := range tried {
		at.step = 50 * time.Millisecond
		err := in("ann", fmt.Sprint("wrong", i))
		at.step = 0
		switch {
		case err == nil:
			t.Fatal("a wrong password lets in")
		case err.Reason == caller.ReasonUnknown:
			looked++
		case err.Reason != caller.ReasonAttempts || err.Code != daybook.Exhausted || err.RetryAfter <= 0:
			t.Fatalf("refused with %+v", err)
		}
	}
	if looked == 0 || looked > tried/2 {
		t.Errorf("looked at %d of %d wrong passwords", looked, tried)
	}
	if err := in("ann", annPassword); err != nil {
		t.Errorf("a password that is known to be right is refused while wrong ones are tried: %v", err)
	}
	if err := in("bob", "bob's"); err != nil {
		t.Errorf("wrong passwords of one user keep another out: %v", err)
	}
	at.add(time.Hour)
	if err := in("ann", "something new"); err == nil || err.Reason != caller.ReasonUnknown {
		t.Errorf("after the flood nobody looks any more: %v", err)
	}
}

func TestAPasswordCostsItsHashOnce(t *testing.T) {
	costly, err := bcrypt.GenerateFromPassword([]byte(annPassword), 11)
	if err != nil {
		t.Fatal(err)
	}
	r := registry(t, caller.Config{Rows: []caller.Row{{Name: "ann", Basic: &caller.Basic{User: "ann", Slow: string(costly)}}}})
	shown := request(basic("ann", annPassword))
	in := func() {
		if _, err := r.Authenticate("http", shown); err != nil {
			t.Fatal(err)
		}
	}
	begin := time.Now()
	in()
	once := time.Since(begin)
	quickest := once
	for range 20 { // the machine may be busy with something else in one of them
		begin = time.Now()
		in()
		quickest = min(quickest, time.Since(begin))
	}
	if quickest > once/10 {
		t.Errorf("the first proof took %v, the quickest of twenty more %v: the hash was computed again", once, quickest)
	}
}

func TestAfterARestartAllComeAtOnceAndAllGetIn(t *testing.T) {
	costly, err := bcrypt.GenerateFromPassword([]byte(annPassword), 10)
	if err != nil {
		t.Fatal(err)
	}
	r := registry(t, caller.Config{Rows: []caller.Row{{Name: "ann", Basic: &caller.Basic{User: "ann", Slow: string(costly)}}}})
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, err := r.Authenticate("http", request(basic("ann", annPassword))); err != nil {
				t.Errorf("turned away: %v", err)
			}
		})
	}
	all.Wait()
}

func TestAPasswordThatWasTakenAwayIsForgotten(t *testing.T) {
	row := func(password string) caller.Config {
		return caller.Config{Rows: []caller.Row{{Name: "ann", Basic: &caller.Basic{User: "ann", Slow: slow(t, password)}}}}
	}
	r := registry(t, row("first"))
	if _, err := r.Authenticate("http", request(basic("ann", "first"))); err != nil {
		t.Fatal(err)
	}
	apply, err := r.Prepare(row("second"))
	if err != nil {
		t.Fatal(err)
	}
	apply()
	if _, err := r.Authenticate("http", request(basic("ann", "first"))); err == nil {
		t.Error("the password of before still lets in")
	}
}

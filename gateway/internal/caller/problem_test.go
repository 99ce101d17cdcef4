package caller_test

import (
	"errors"
	"strings"
	"testing"

	"daybook.dev/gateway/internal/caller"
)

func TestEveryProblemOfARowIsNamed(t *testing.T) {
	key := []caller.Hash{hash("a")}
	for name, c := range map[string]struct {
		rows []caller.Row
		want string
	}{
		"no name":                {[]caller.Row{{Keys: key}}, "caller 1: name: must have letters"},
		"a name with a slash":    {[]caller.Row{{Name: "a/b", Keys: key}}, "name: must have letters"},
		"a name twice":           {[]caller.Row{{Name: "a", Keys: key}, {Name: "a", Keys: []caller.Hash{hash("b")}}}, "caller a: name: there are two"},
		"a key twice":            {[]caller.Row{{Name: "a", Keys: key}, {Name: "b", Keys: key}}, "caller b: key_sha256: caller a has this key too"},
		"a user twice":           {[]caller.Row{{Name: "a", Basic: &caller.Basic{User: "u", SHA256: key[0]}}, {Name: "b", Basic: &caller.Basic{User: "u", SHA256: key[0]}}}, "caller a has this user too"},
		"no proof":               {[]caller.Row{{Name: "a"}}, "has no proof"},
		"anonymous with a proof": {[]caller.Row{{Name: "anonymous", Keys: key}}, "is for those who prove nothing"},
		"a protocol":             {[]caller.Row{{Name: "a", Keys: key, Protocols: []string{"segmnt"}}}, "did you mean segment?"},
		"an empty pattern":       {[]caller.Row{{Name: "a", Keys: key, Events: []string{""}}}, "a pattern is empty"},
		"no user":                {[]caller.Row{{Name: "a", Basic: &caller.Basic{SHA256: key[0]}}}, "basic.user: must not be empty"},
		"no password":            {[]caller.Row{{Name: "a", Basic: &caller.Basic{User: "u"}}}, "basic: has no password"},
		"two passwords":          {[]caller.Row{{Name: "a", Basic: &caller.Basic{User: "u", SHA256: key[0], Slow: argon("x")}}}, "has two passwords"},
		"another hash":           {[]caller.Row{{Name: "a", Basic: &caller.Basic{User: "u", Slow: "$1$canary"}}}, "is neither a bcrypt hash"},
		"half an argon2id hash":  {[]caller.Row{{Name: "a", Basic: &caller.Basic{User: "u", Slow: "$argon2id$v=19$m=64,t=1,p=1$canary"}}}, "is neither a bcrypt hash"},
		"argon2id that takes it all": {[]caller.Row{{Name: "a", Basic: &caller.Basic{
			User: "u",
			Slow: strings.Replace(argon("x"), "m=64", "m=4194304", 1),
		}}}, "takes too much"},
		"bcrypt that takes it all": {[]caller.Row{{Name: "a", Basic: &caller.Basic{
			User: "u",
			Slow: strings.Replace(slow(t, "x"), "$04$", "$31$", 1),
		}}}, "has cost 31"},
		"certificates of anybody": {[]caller.Row{{Name: "a", Certificate: &caller.Certificate{}}}, "mtls: must say which"},
		"a negative quota":        {[]caller.Row{{Name: "a", Keys: key, Quota: caller.Quota{Events: -1}}}, "quota: must not be negative"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := caller.New(caller.Config{Rows: c.rows}, caller.Options{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), key[0].String()) {
				t.Errorf("it shows what it should keep: %v", err)
			}
			if p, ok := errors.AsType[*caller.RowError](err); !ok || p.Row != len(c.rows)-1 {
				t.Errorf("it does not say which row: %+v", p)
			}
		})
	}
	if problems := callers(t).Problems(); len(problems) > 0 {
		t.Errorf("good rows: %v", problems)
	}
}

func TestAKeyIsShownOnceAndItsHashIsKept(t *testing.T) {
	key, kept := caller.NewKey()
	if !strings.HasPrefix(key, "dbk_") || len(key) != len("dbk_")+43 {
		t.Errorf("key %q", key)
	}
	if kept != hash(key) {
		t.Error("the hash is another key's")
	}
	if again, _ := caller.NewKey(); again == key {
		t.Error("two keys are the same")
	}
	parsed, err := caller.ParseHash(kept.String())
	if err != nil || parsed != kept {
		t.Errorf("%v, %v", parsed, err)
	}
	for _, text := range []string{"", key, kept.String()[1:], "zz" + kept.String()[2:]} {
		if _, err := caller.ParseHash(text); err == nil || text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

package caller

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"runtime"
	"sync"
	"time"
)

// What looking at passwords may cost. Who tries passwords gets a tenth of a
// processor for each user he tries them at, and no more hashes at once than a
// quarter of the machine. A few may wait for their turn: after a restart all
// clients come at once, with passwords that are right.
const (
	wrongPerSecond  = 100 * time.Millisecond // of processor time, for each user
	wrongBurst      = 10 * time.Second       // in which what may be tried at once is earned
	rememberedPairs = 1024
	maxWaiting      = 64
	turnWithin      = 2 * time.Second
)

// A vault verifies passwords that people chose. Their hashes are slow on purpose,
// so each answer is remembered, and what wrong ones cost is bounded. It is safe
// for concurrent use.
type vault struct {
	now   func() time.Time
	key   [32]byte      // of this process: what is remembered says nothing about a password
	slots chan struct{} // one for each hash under way
	queue chan struct{} // one for each that waits for a slot, or has it

	mu           sync.Mutex // guards what is below
	right, wrong memory
	spent        map[string]*bucket // by user: milliseconds of wrong passwords
}

func newVault(now func() time.Time) *vault {
	v := &vault{
		now: now, spent: map[string]*bucket{},
		slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/4)), queue: make(chan struct{}, maxWaiting),
	}
	_, _ = rand.Read(v.key[:]) // never fails
	return v
}

// opens reports whether the password is the one of the hash. User is who is tried,
// one of the configured ones; what it costs is charged to it. A wait means that
// nobody has looked, and when somebody may.
func (v *vault) opens(ctx context.Context, user string, hash slowHash, password string) (right bool, wait time.Duration) {
	tag := v.tag(hash, password)
	if right, known, wait := v.glance(tag, user); known || wait > 0 {
		return right, wait
	}
	leave := v.turn(ctx)
	if leave == nil {
		return false, time.Second
	}
	defer leave()
	// Somebody before may have found out.
	if right, known, wait := v.glance(tag, user); known || wait > 0 {
		return right, wait
	}
	begin := v.now()
	right = hash.opens(password)
	v.remember(tag, right, user, v.now().Sub(begin))
	return right, 0
}

// turn waits for a slot, which is to be left. Nil means that there is none, and
// that too many wait for one.
func (v *vault) turn(ctx context.Context) (leave func()) {
	select {
	case v.queue <- struct{}{}:
	default:
		return nil
	}
	patience := time.NewTimer(turnWithin)
	defer patience.Stop()
	select {
	case v.slots <- struct{}{}:
		return func() { <-v.slots; <-v.queue }
	case <-patience.C:
	case <-ctx.Done():
	}
	<-v.queue
	return nil
}

// tag names a hash and a password without saying anything about them.
func (v *vault) tag(hash slowHash, password string) Hash {
	mac := hmac.New(sha256.New, v.key[:])
	mac.Write([]byte(hash.text)) // it has no zero byte
	mac.Write([]byte{0})
	mac.Write([]byte(password))
	return Hash(mac.Sum(nil))
}

// glance says what is known about a password without looking at it, and how long
// until a user's next unknown one may be looked at.
func (v *vault) glance(tag Hash, user string) (right, known bool, wait time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.right.has(tag) {
		return true, true, 0
	}
	if v.wrong.has(tag) {
		return false, true, 0
	}
	if b := v.spent[user]; b != nil {
		return false, false, b.wait(v.now())
	}
	return false, false, 0
}

// remember keeps an answer. What was right is free: there is one such password
// for each user. Wrong ones never push it out.
func (v *vault) remember(tag Hash, right bool, user string, took time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if right {
		v.right.add(tag)
		return
	}
	v.wrong.add(tag)
	b := v.spent[user]
	if b == nil {
		made := newBucket(float64(wrongPerSecond.Milliseconds()), wrongBurst)
		b = &made
		v.spent[user] = b
	}
	b.take(v.now(), int(took.Milliseconds())+1)
}

// A memory is a bounded set that forgets what was not asked for lately.
type memory struct{ young, old map[Hash]struct{} }

func (m *memory) has(h Hash) bool {
	if _, ok := m.young[h]; ok {
		return true
	}
	_, ok := m.old[h]
	if ok {
		m.add(h)
	}
	return ok
}

func (m *memory) add(h Hash) {
	if len(m.young) >= rememberedPairs || m.young == nil {
		m.old, m.young = m.young, make(map[Hash]struct{})
	}
	m.young[h] = struct{}{}
}

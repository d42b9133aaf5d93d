package call

import (
	"sync"
	"time"
)

// forms remembers which form of a message each address was seen to take. The
// binary one is used only towards who answered in it, and given up for a while
// when it does not come through: gateways on the way may know JSON only.
type forms struct {
	mu sync.Mutex
	of map[string]*form // by address, local configuration
}

type form struct {
	binary bool      // the last answer was binary
	bad    int       // binary messages in a row that came to nothing
	plain  time.Time // until then JSON alone
}

const (
	maxBad   = 3
	plainFor = 10 * time.Minute
)

// now returns what to try with an address.
func (f *forms) now(base string, now time.Time) (accept, send bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	x := f.at(base)
	accept = !now.Before(x.plain)
	return accept, accept && x.binary
}

// at returns an address's form. Callers hold the lock.
func (f *forms) at(base string) *form {
	if f.of == nil {
		f.of = map[string]*form{}
	}
	x := f.of[base]
	if x == nil {
		x = &form{}
		f.of[base] = x
	}
	return x
}

// saw notes the form of an answer that could be trusted.
func (f *forms) saw(base string, binary bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	x := f.at(base)
	x.binary, x.bad = binary, 0
}

// failed notes that a message in binary form, sent or answered, came to
// nothing; answered says that something came back, which was not the peer's
// answer.
func (f *forms) failed(base string, answered bool, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	x := f.at(base)
	if x.bad++; answered || x.bad >= maxBad {
		x.bad, x.plain = 0, now.Add(plainFor)
	}
}

package sequencer_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"fayi/crypto/sign"
)

// Two processes of a node whose clocks lie up to two hours apart, each jumping by an
// hour between rounds, seal one stream by turns: numbers, chain and generation
// are as if there were no clocks (I2–I4, I29). Segments' times may go back; they
// are claims and decide nothing.
func TestClocksThatJump(t *testing.T) {
	onBothStores(t, func(t *testing.T, b *bench) {
		stream := name("consultation", sign.Upstream)
		one, two := b.main(), b.main()
		var jump time.Duration
		one.Now = func() time.Time { return time.Now().Add(jump) }
		two.Now = func() time.Time { return time.Now().Add(2*time.Hour - jump) }
		var want []string
		for i := range 8 {
			jump = time.Duration(i%3) * time.Hour
			for j := range 3 {
				key := fmt.Sprintf("ZX-%d-%d", i, j)
				b.insert(b.consultation(key, "1"))
				want = append(want, key+" 1")
			}
			if i%2 == 0 {
				b.drain(one)
			} else {
				b.drain(two)
			}
		}
		lines := b.stream(stream) // dense and chained, or it fails
		if got := versions(lines, ""); !slices.Equal(got, want) {
			t.Errorf("the stream holds %v, want %v", got, want)
		}
		for _, l := range lines {
			if l.Gen != lines[0].Gen {
				t.Fatalf("generation %d after %d", l.Gen, lines[0].Gen)
			}
		}
	})
}

package profile_test

import (
	"testing"

	"fayi/adapters/hotline/profile"
	"fayi/adapters/hotline/simulator"
	"fayi/adapters/hotline/ticket"
)

// BenchmarkOffer is one ticket to a simulated hotline and back over loopback:
// written, signed, sent, verified, read, answered, classified.
func BenchmarkOffer(b *testing.B) {
	for _, name := range []string{"hotline-a@1", "hotline-b@1"} {
		b.Run(name, func(b *testing.B) {
			x := newPair(b, name, nil, simulator.Options{})
			o := profile.SampleOffer("QZ", 3, 0, at)
			for b.Loop() { // the same ticket: the hotline says that it has it
				if out := x.Offer(b.Context(), o); out.Class != ticket.Delivered && out.Class != ticket.Duplicate {
					b.Fatalf("%+v", out)
				}
			}
		})
	}
}

package demodata

import "math/bits"

// random is splitmix64: tiny, fast and the same everywhere. Its zero value is not used; see newRandom.
type random struct{ state uint64 }

// newRandom derives a generator from a sequence of numbers; each different sequence gives an unrelated one.
func newRandom(parts ...uint64) random {
	r := random{0x9e3779b97f4a7c15}
	for _, p := range parts {
		r.state ^= p
		r.state = r.next()
	}
	return r
}

func (r *random) next() uint64 {
	r.state += 0x9e3779b97f4a7c15
	z := r.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below returns a number in [0, n); n must be positive.
func (r *random) below(n int) int {
	hi, _ := bits.Mul64(r.next(), uint64(n))
	return int(hi)
}

// between returns a number in [low, high].
func (r *random) between(low, high int) int { return low + r.below(high-low+1) }

// percent is true in p of 100 cases.
func (r *random) percent(p int) bool { return r.below(100) < p }

func pick[T any](r *random, of []T) T { return of[r.below(len(of))] }

// shuffled returns the numbers 0…n-1 in random order.
func (r *random) shuffled(n int) []int {
	out := make([]int, n)
	for i := range out {
		j := r.below(i + 1)
		out[i] = out[j]
		out[j] = i
	}
	return out
}

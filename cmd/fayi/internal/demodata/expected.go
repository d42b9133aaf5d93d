package demodata

import (
	"crypto/sha256"
	"iter"
)

// Counts is what one node must report after all its records went through its outbox.
type Counts struct {
	Published int // rows its business systems wrote: the sum of the other three
	Accepted  int // in a stream
	Rejected  int // in exchange_rejected
	Unchanged int // dropped because they say nothing new
}

// Expected computes each node's counts from the records alone, in their order. A bad record is rejected and changes nothing.
// A put whose data are byte for byte those of the key's last accepted record, and a del of a key that is not there, are unchanged
// (design §5). Anything else is accepted. Keys are told apart within a node and type. It holds some 60 bytes a key.
func Expected(records iter.Seq[Record]) map[string]Counts {
	type state [16]byte // of the data; zero where the key is not there
	latest := map[state]state{}
	sum := func(parts ...string) state {
		h := sha256.New()
		for _, p := range parts {
			h.Write([]byte(p))
			h.Write([]byte{0}) // nodes, types and keys hold no NUL
		}
		return state(h.Sum(nil)[:16])
	}
	counts := map[string]Counts{}
	for r := range records {
		c := counts[r.Node]
		c.Published++
		if r.Bad != nil {
			c.Rejected++
			counts[r.Node] = c
			continue
		}
		key, now := sum(r.Node, r.Type, r.Key), state{}
		if r.Op == "put" {
			now = sum(string(r.Data))
		}
		if latest[key] == now {
			c.Unchanged++
		} else {
			c.Accepted++
			latest[key] = now
		}
		counts[r.Node] = c
	}
	return counts
}

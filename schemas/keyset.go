package schemas

import (
	"encoding/binary"
	"math/bits"
)

// keySet finds short byte strings (names of members, codes) and gives the place each had when the set was made. A text of at most eight
// bytes is told by one 64-bit word and its length; longer ones are compared in full.
type keySet struct {
	slots []keySlot // open addressing, at most a quarter full
	shift uint8     // 64 - log2(len(slots))
}

type keySlot struct {
	word  uint64
	size  int32 // bytes; -1 for an empty slot
	place int32
	key   string
}

// newKeySet makes the set of keys, which must all differ.
func newKeySet(keys []string) keySet {
	log := bits.Len(uint(max(1, len(keys)))) + 2
	s := keySet{slots: make([]keySlot, 1<<log), shift: uint8(64 - log)}
	for i := range s.slots {
		s.slots[i].size = -1
	}
	for place, key := range keys {
		word := keyWord([]byte(key))
		i := s.slot(word, len(key))
		for s.slots[i].size >= 0 {
			i = (i + 1) & (len(s.slots) - 1)
		}
		s.slots[i] = keySlot{word, int32(len(key)), int32(place), key}
	}
	return s
}

// find returns the place of key, -1 if it is not in the set.
func (s *keySet) find(key []byte) int {
	word := keyWord(key)
	for i := s.slot(word, len(key)); ; i = (i + 1) & (len(s.slots) - 1) {
		slot := &s.slots[i]
		switch {
		case slot.size < 0:
			return -1
		case slot.word == word && int(slot.size) == len(key) && (len(key) <= 8 || string(key) == slot.key):
			return int(slot.place)
		}
	}
}

func (s *keySet) slot(word uint64, size int) int {
	return int((word ^ uint64(size)<<56) * 0x9E3779B97F4A7C15 >> s.shift)
}

// keyWord packs the bytes of a key of at most eight bytes so that two keys of one length never share a word, and mixes the ends of a
// longer one.
func keyWord(b []byte) uint64 {
	n := len(b)
	switch {
	case n > 8:
		return binary.LittleEndian.Uint64(b) ^ bits.RotateLeft64(binary.LittleEndian.Uint64(b[n-8:]), 29)
	case n >= 4:
		return uint64(binary.LittleEndian.Uint32(b)) | uint64(binary.LittleEndian.Uint32(b[n-4:]))<<32
	case n > 0:
		return uint64(b[0]) | uint64(b[n>>1])<<8 | uint64(b[n-1])<<16
	}
	return 0
}

package replicate

import "fayi/schemas"

// lane says which streams a loop of a link carries. The urgent ones have a loop
// and so a connection of their own: nothing of them waits behind a bulk load,
// in either direction (design §5, §9).
type lane int

const (
	urgent lane = iota // the federation's own types and those the pack calls urgent
	bulk               // all others
	every              // both, for a reader with one loop
)

// has reports whether streams of a record type travel on the lane.
func (l lane) has(e *Engine, recordType string) bool {
	switch l {
	case urgent:
		return e.urgent(recordType)
	case bulk:
		return !e.urgent(recordType)
	}
	return true
}

// urgent reports whether records of a type have their own sealing round and
// connection.
func (e *Engine) urgent(recordType string) bool { return Urgent(e.Schemas(), recordType) }

// Urgent reports whether records of a type go before others: the federation's
// own, and those whose current pack says so.
func Urgent(r *schemas.Registry, recordType string) bool {
	if System(recordType) {
		return true
	}
	t, ok := r.Current(recordType)
	return ok && t.Urgent()
}

// rank orders streams on a link: directory first, then packs, then rejections
// (protocol §5), the urgent ones, the rest.
func (e *Engine) rank(recordType string) int {
	switch {
	case recordType == TypeNode:
		return 0
	case recordType == TypePack:
		return 1
	case System(recordType):
		return 2
	case e.urgent(recordType):
		return 3
	}
	return 4
}

// Package store keeps what a node must not lose: streams and their segments, receipts, notes, directory entries,
// rejections, the inbox and the small rows around them (design §5). It knows bytes, positions and hashes. It knows
// no cryptography and no JSON: what a header says and whether a signature holds is decided before a call and
// handed over as values.
//
// # What it promises
//
//   - A stream's head moves only by compare-and-set inside the transaction that stores its segments ([Store.Append]).
//     Of two writers that start from one head exactly one succeeds; nothing of the other remains, neither its
//     segments nor what its `also` function wrote. This is the safety of design §5; leases only save wasted work.
//   - Within a stream numbers are dense, and every segment names the hash of the one before it (protocol §2). Append
//     refuses anything else, whoever asks.
//   - Nothing is overwritten: a rewind (protocol §3, step 6) turns segments into orphans and keeps them. The only
//     thing that changes in a stored segment is its container, that is body, content key and readers, under the same
//     header.
//   - Storing a segment writes a fixed number of rows, whatever it holds (review F25).
//   - A transaction is repeated only where the database certainly rolled it back. When a connection dies during
//     COMMIT the caller gets [ErrOutcomeUnknown] and must read again what it wanted to change (review F39).
//
// # How data passes through it
//
//	Append      ─► fayi_stream (compare-and-set) ─► fayi_segment + fayi_body ─► fayi_latest, fayi_refusal ─► also ─► COMMIT
//	SegmentsAfter ◄─ the live chain, lengths first, then as many bodies as fit
//	Deliver     ─► exchange_inbox_cursor (compare-and-set) ─► exchange_inbox ─► COMMIT
//
// Everything that leaves the process is read back through the reading pool, so it was committed (review I6).
//
// # One store, two families
//
// There is one concrete [Store] over database/sql. MySQL, MariaDB and what speaks their protocol are the real store;
// SQLite serves the demo, tests and the smallest counties. All differences are in dialect.go and in the two folders
// of migrations. Own columns are VARBINARY, BLOB and BIGINT, times are Unix microseconds taken from Go, so that no
// server's character set, collation or time zone has a say; the contract tables (exchange_…) are as
// contracts.sql has them and belong to package outbox.
//
// All methods are safe for concurrent use. SQLite has a single writing connection: a function called inside
// [Store.InTx] or as `also` must write through the transaction it is given; a writing method of the Store called
// there waits for itself until the context ends.
//
// Start reading at store.go (types), then append.go and tx.go.
package store

// Package storetest holds the one suite every store passes, whichever database lies under it. [Exercise] is its whole
// surface; the tests of package store run it on SQLite and on MariaDB, and an engine behind the MySQL protocol is
// admitted by running it there.
//
// The cases are grouped as the store is: chains.go (append, rewind, reading), peers.go (receipts, notes, entries,
// rejections), node.go (inbox, consumers, tallies, leases, idempotency, events), life.go (migration, transactions), fidelity.go (every
// column gives back the bytes it was given).
package storetest

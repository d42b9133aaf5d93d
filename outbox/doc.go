// Package outbox is what a business system touches: a table to insert into, a function that does the insert, and for the node the reader that
// drains the table. It needs nothing but the standard library and a driver of the caller's choice.
//
// # Publishing
//
// Start with [Publish]. In the transaction that changes the business tables:
//
//	tx, _ := db.BeginTx(ctx, nil)
//	// … business statements …
//	err := outbox.Publish(ctx, tx, outbox.Record{Type: "legal_aid_case", Key: "YL-2026-00017", Payload: body})
//	// … tx.Commit()
//
// The record is exchanged if and only if the transaction commits. Any client of any language may write the same row with a plain INSERT; the
// columns are a permanent contract ([Statements], design §10). A business system with a table of its own uses [PublishTo].
//
// # A row's life
//
//	INSERT in a business transaction
//	    │ COMMIT (rolled back: never seen)
//	    ▼
//	 waiting ──── Read ────► checked by the node
//	    ▲                      │          │
//	    │                   valid      invalid
//	    │                      │          │
//	    │                      ▼          ▼
//	    │              in a segment    Reject: exchange_rejected, state open
//	    │              Remove          Remove      │        │         │
//	    │                                     Resubmit   Resubmit  MarkRejected
//	    │                                          │     too late     │
//	    └──────── flag repair:<id> ────────────────┘        │         │
//	                                          resubmitted   ▼         ▼
//	                                                   superseded   closed
//
// Publishing to a stream, rejecting and removing are one transaction of the node ([Reader.Remove], [Reject] take its tx): a row is in exactly
// one of these places. For a source in another database the node remembers what it took and calls [Reader.Release] later (design §5).
//
// # Why not id > last
//
// An id is given out when a row is inserted, not when it commits: a transaction open for a second commits a low id after higher ones were
// read. A reader that remembers the last id loses that row; a DELETE of the range between the first and last id read removes it unread. Both are
// kept in this package's tests, failing. So [Reader.Read] remembers nothing, takes no locks, and reads whatever is committed, and
// [Reader.Remove] deletes exactly the rows it is given, by primary key, and fails if one is missing.
//
// # Foreign hands
//
// Everything in a row is whatever some client wrote. [Reader.Read] returns any value the database can hold, as bytes, and never fails because
// of one row; a payload too long to load is only measured ([Row.Oversize]), a creation time that is none is flagged ([Row.BadCreated]).
//
// Sessions: the node's run in UTC and its transactions at READ COMMITTED (contracts.sql). Reading does not depend on the session's time zone,
// character set or isolation level.
package outbox

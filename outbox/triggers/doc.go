// Package triggers publishes from tables of a business system that nobody may change: it turns a map of columns into triggers that put
// the mapped record into the outbox, in the transaction of the business (design §5).
//
// What it promises:
//
//   - A change of a mapped column, an insert, a delete and a soft delete each put one row into the outbox, in the same transaction; a change
//     of other columns puts none. Nothing is written while the session has set @fayi_apply.
//   - Where several tables make one record, whoever changes any of them first locks one agreed row of that record, then reads all of it with
//     locking reads: the last row written is the last state (review F6).
//   - No value of a business table makes the business fail. What cannot be converted is passed on as it is: the node rejects it, with the
//     reason, and a person repairs it.
//   - Every identifier is the catalogue's own, quoted. Text of the map enters the DDL only as a quoted literal.
//   - The DDL can be read before it runs, run twice without effect, replaced without a moment in which changes are lost, and removed whole.
//
// How data passes through:
//
//	map (YAML, read by the caller) ─┐
//	catalogue ([ReadCatalog])      ─┼─► [Check]: all faults at once, or a [Plan] ─► [Survey]: values that have no translation
//	record type ([Type])           ─┘                    │
//	                                                     ▼
//	                  [Plan.Changes]: what is missing, different, left over ─► printed, or [Apply]
//	                                                     ▼
//	                  a trigger a table and event ─► CALL fayi_<record>_<hash>(row) ─► INSERT INTO exchange_outbox
//
// The procedure is the record: it reads the row and what is joined to it, converts column by column and builds the JSON text. A name ends in
// the hash of its definition, so a new version stands beside the old one until the triggers are switched, all at once, under LOCK TABLES.
// [Backfill] calls the same procedure for rows that were there before.
//
// It speaks MariaDB 10.3 and later and MySQL 5.7 and 8 by what both have: JSON is built as text, since JSON_OBJECT reorders members on one
// and not on the other. Tests run on MariaDB; MySQL was not at hand. TiDB has no triggers, SQLite no procedures.
//
// Start with [Check].
package triggers

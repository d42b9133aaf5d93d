// Package sequencer gives records their place: it takes waiting outbox rows,
// checks them, and seals them into the node's own streams (design §5).
//
// Row ids are not commit order, so a row's number is given after its business
// transaction committed, by whoever first moves the stream's head:
//
//	outbox rows ─ read, plain ─► intake: shape, rights, schema ─┬─► rejected, whole, with reasons
//	                                                            ├─► unchanged: dropped and counted
//	                                                            └─► lines ─► segments
//	one transaction: heads by compare-and-set · segments · newest versions · rejected rows · tallies ·
//	                 exactly the rows read removed, by primary key, their number checked
//
// While rows wait, the next round is read, judged, decided and sealed on top of the
// one that commits (ahead.go); if that one does not, it is done anew.
//
// What a round does not take: types of which a source deletes or changes too much
// wait for a person (brake.go), and a row that breaks a round is found by halving
// and rejected alone (poison.go). A large file goes the same way without an
// outbox, two segments at a time and behind live rows ([Loader]).
//
// Safety lies in that transaction, not in the lease: two sequencers may race,
// one of them then changes nothing and reads again. Nothing is sent from here;
// pushers and pollers read committed rows.
//
// Start with [Sequencer.Round].
package sequencer

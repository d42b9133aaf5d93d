// Package hotline exchanges tickets between this bureau's 12348 and other hotlines, the petition office, windows and
// emergency lines, through their interfaces (design §8). It holds together what its folders do:
//
//	ticket     the words both sides share, and the seam to an interface (Peer)
//	machine    the life of a hand-off: 21 states, 57 transitions, as a table
//	clock      working days, limits, pauses, breaches
//	ledger     hand-offs in the node's database: events in a chain, deliveries, tasks
//	desk       what may be done and what follows from it
//	courier    delivery, in-doubt questions, pulls, files, the watch over a peer
//	profile    interfaces as YAML files; simulator is the other side of each
//	figures    the six figures, and the comparison with the hotline's own sheet
//
// [Service] is a running desk with a courier for each party and the handler for what parties send. It is wired into
// `fayi serve` where fayi.yaml has a section handoff; without one nothing of this runs.
//
// The scenario tests of this package (scenario_…_test.go) are the forty cases of the hand-off study, against the
// simulators over real HTTP on MariaDB.
package hotline

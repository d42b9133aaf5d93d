// Package gateway is the node: it opens the store and the keys, and runs the
// sequencers, the links, the inbox and the two listeners (design §3–§5).
//
//	business tx ─► outbox ─► sequencer ─► store ─► replicate ─► peers
//	                                        │
//	peers ─► replicate.Receive ─► store ────┴─► inbox, GET /v1/changes ─► business
//
// Subpackages, in the order data meets them: intake (what a record must be),
// sequencer (rows to segments), store (streams on MariaDB or SQLite), archive (bodies of old
// segments in files), replicate
// (segments between nodes), call (the signed wire form), directory (who is who,
// and who may read), inbox (records to the business), pull (records to files),
// join (becoming a node), packfile (the form in which schema packs travel),
// packs (which of them this node publishes by), problem (errors people see),
// trace (events a checker judges), strictyaml (files people write), outer
// (foreign HTTP interfaces by configuration). Package federation runs several
// nodes in one process.
//
// Start with node.go.
package gateway

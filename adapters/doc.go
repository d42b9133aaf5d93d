// Package adapters is the place of what joins the node at its edges: consumers
// and producers that speak some other system's interface (design §8). The
// 12345 hand-off (hotline), business tables (table), spreadsheets (sheet) and
// older exchange interfaces (legacy) each get a folder below.
//
// An adapter is a consumer with a cursor or a source with an outbox, nothing
// more: it imports the gateway's stream interfaces and schemas, and nothing of
// the gateway imports an adapter. Business systems need none: records reach them
// through exchange_inbox and GET /v1/changes, and leave them through
// exchange_outbox and POST /v1/records. hotline is the first.
package adapters

// Package bench measures every row of the table of numbers in the design (§11): what this program does, what others do
// with the same records on the same database server, and the ratio.
//
// It promises that the figures are of the real thing: real nodes with real keys over loopback HTTP, a real MariaDB
// server of its own whose every commit is synced to disk (log and binary log), records that are validated where a node
// validates them. Nothing is switched off for speed. Machines differ and neighbours disturb; therefore every ratio is
// of runs that take turns within minutes, and a figure is the median of its runs, all of which are in the report.
//
// How data passes through it: [Run] starts a server ([lab]), and for each row asked for calls its function in the file
// of the same name; each makes databases and nodes, works, measures, and throws them away. Other systems live in a
// module of their own (cmd/fayi-bench-peers), run as another process that gets a data source name and a file of the
// same records (peers.go). [Report] is what -json prints; [Chart] draws it.
//
// Start with bench.go, then drain.go.
package bench

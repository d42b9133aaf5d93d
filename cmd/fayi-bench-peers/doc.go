// Command fayi-bench-peers runs other outbox systems for `fayi bench -peers`. It is a module of its own: nothing it
// needs is in the node or in its everyday tests.
//
//	go -C cmd/fayi-bench-peers build -o /tmp/fayi-bench-peers .
//	fayi bench -peers /tmp/fayi-bench-peers publish drain
//
// It is called once a run, with an empty MariaDB database and a file of records, a JSON object a line:
//
//	fayi-bench-peers -peer watermill-sql -work drain -dsn DSN -records FILE -n 20000
//
// and prints {"version":…,"value":…}: transactions a second over 16 connections (publish: BEGIN, insert into a
// business table, the system's own insert, COMMIT), or records a second (drain: a backlog, from the relay's start until
// an HTTP server in this process has counted all, one POST a record, since that is what the systems' interfaces hand over).
// Each system has its best settings, found by outbox studies and noted where they are set.
//
// River needs PostgreSQL: its programs are looked for below /usr/lib/postgresql, and a private server, durable like
// MariaDB, is started for the run.
//
// Start with main.go; one file a system.
package main

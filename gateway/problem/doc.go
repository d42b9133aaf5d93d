// Package problem holds the errors that people and peers see: a stable code,
// a Chinese and an English sentence, and what to do about it (design §10,
// protocol §3–§5).
//
// Inside the node errors are ordinary Go errors. At an edge (an answer to a
// peer, the local API, the command line, an event shown to operators) they are
// turned into an [Error] with a code from the one table in codes.go. What is
// not in the table becomes INTERNAL: its detail goes to the log, never out.
// The package imports nothing of ours and is safe for concurrent use.
package problem

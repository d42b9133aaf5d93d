// Package call is the one wire form nodes speak: a signed request and a signed
// answer over POST /v1/call, frames riding beside the signed body
// (protocol §5).
//
// A call's body names sender, addressee, operation, time and nonce under one
// SM2 signature, and lists SM3 of every frame's header; the answer echoes the
// nonce. So an answer is authentic even where a gateway ended TLS, nothing can
// be replayed to another node, and no frame can be slipped in or left out. HTTP
// is a pipe: the status is 200 whenever the node was reached, and the code
// inside the signed body is the one that counts.
//
//	Client.Do ─► wire ─► Server.ServeHTTP ─► Handler ─► wire ─► Client.Do
//
// Beside JSON, which every node and client speaks, stands a binary form of the
// same message (binary.go); which of them an address takes is learnt from its
// answers (forms.go). What strangers may occupy is bounded in intake.go, what a
// known caller may ask in limit.go.
//
// Start with wire.go, then server.go.
package call

// Package outer speaks foreign HTTP interfaces by configuration: JSON REST, SOAP
// 1.1 with a document in a string, forms, multipart files, polling, callbacks,
// files in a folder (folder.go); UTF-8, GBK or GB18030; signatures, sessions, success rules.
//
// An [Interface] is data (interface.go, read from YAML). It says of each
// [Operation] what its request looks like (a tree whose leaves are texts such as
// "{handoffId}#{round}"), where its answer holds what, and how success and each
// kind of failure are told apart. All of it can be read in both directions, so
// the same description serves the two ends:
//
//	values ─► Template.Render ─► sign ─► Client ══HTTP══► Server ─► verify ─► Template.Read ─► values
//	values ◄─ Path.Get ◄─ classify ◄─ Client ◄══HTTP══ Server ◄─ Path.Set ◄─ Class, values
//
// A node is Client of a peer's operations and Server of its callbacks; a
// simulator of that peer is the Server of the first and Client of the second.
//
// What it promises:
//
//   - Success is claimed only where the configured test holds in an answer that
//     could be read whole. Everything else has a [Class]; in doubt it is
//     [InDoubt] once bytes were sent, and [Permanent] where a peer refused.
//   - Templates can name values and nothing else: no code, no files, no network.
//     Texts are escaped by where they stand (JSON, XML, form, URL).
//   - Answers and requests are hostile: sizes, depth and node counts are bounded
//     before anything is built; duplicate JSON members, DOCTYPE, entities and
//     processing instructions are refused; a signature, a time, a nonce and an
//     address are checked before values are handed on.
//   - Only the configured base is dialled. Redirects are not followed.
//   - Secrets come from files and appear in no error, log or answer. They are
//     symmetric keys of the interface: the node's Signer is not reachable here.
//
// Client and Server are safe for concurrent use. Start with interface.go, then
// client.go.
package outer

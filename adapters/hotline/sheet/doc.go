// Package sheet exchanges hand-offs as spreadsheets, for parties without an
// interface: people carry files, the hand-off stays the same.
//
// # How data passes through it
//
//	Offer, Message ─► Peer ─► one .xlsx or .csv per message in the out folder ─► a person carries it
//	a file that came back ─► Read ─► Preview (rows, faults, questions) ─► Tray ─► a second person ─► Inbound ─► the desk
//
// # What it promises
//
//   - Every row written carries, in a hidden column, the hand-off and round it is
//     about, so that a row that comes back is known whatever became of the rest.
//   - Columns are found by header, with the synonyms of the profile. A header that
//     could be two things, or two headers for one thing, is a question; nothing is
//     guessed and nothing taken until it is answered.
//   - An event's id is made of what the row says, not of where it stands or how its
//     column is called: the same sheet again, with columns renamed, is nothing new.
//   - Files are hostile: size, entries, unpacked size and ratio of an archive, rows,
//     columns and cells are bounded; external links are refused; cells that a
//     spreadsheet would compute are written as text.
//   - A result is taken only when a second person has confirmed it ([Tray]).
//
// Start with import.go, then peer.go.
package sheet

// Package archive moves bodies of old segments out of the database into files,
// and gives them back when somebody asks for them (design §9): history grows by
// files that are written once, while the database stays as large as the last
// months. Sealed segments never change, so a file is named by what it is:
//
//	<dir>/<first two digits>/<SM3 of the header>.<SM3 of the body>
//
// What it promises:
//
//   - A body leaves the database only after its file is on disk, synced, and only
//     if the row still holds the same bytes; a crash at any moment leaves it in
//     one place or in both, never in none.
//
//   - What is read back is checked against its name: a damaged or exchanged file
//     is an error, never data.
//
//   - Headers, signatures and readers stay in the database, so chain checks and
//     receipts touch no file. A body stays encrypted under its content key.
//
//     Archiver.Round: store.SegmentsAfter ─► Dir.Put (file, fsync) ─► store.ArchiveBodies (row emptied)
//     store.SegmentsAfter ─► Dir.Get for what is archived ─► whoever fetches
//
// Several hosts of one node need one folder they all see. Start with [Archiver].
package archive

// Package packfile is the form in which a schema pack travels: one file with a
// signed statement and, after it, the files of the pack (protocol §8).
//
//	file  = one gzip member ( line LF contents )
//	line  = canonical {"pack","sigs","grants"}       sign.SignedPack
//	contents = the files the statement lists, in its order, nothing between or after
//
// The statement gives every file's size and SM3, so a reader knows what will
// come before it unpacks any of it: at most 5 MiB, whatever the file claims, and
// one signature covers all bytes whatever compressed them. In a stream a file is
// cut into parts (part.go), each the data of one exchange_pack record.
//
// How data passes through: [Build] signs a folder and packs it; [Open] unpacks
// and compares sizes and hashes; the directory says whether the signer may
// (directory.VouchPack); [File.Edition] loads it as any pack is loaded and
// checks that statement and manifest say the same.
//
// All functions are pure and safe for concurrent use. Errors carry PACK_DAMAGED
// or BAD_PACK. Start with file.go.
package packfile

// Package schemas knows what a record may look like. It loads schema packs, judges records by them, and says in Chinese and English what is
// wrong with a record and what to do about it.
//
// A pack is data: pack.json (name, version, days in force, and for each type its version, titles, key, flags, suggested audiences and
// digest), types/<type>.json (one self-contained JSON Schema 2020-12 document with a name that cannot be fetched) and codes/<table>.json (one
// code table), rules/<type>.json (rules over several members, in the language of package rulelang). Schemas name code tables by "x-codes"; the loader writes them out as enum before compiling, so every code stands in one place.
// Further annotations keep where each rule comes from: x-mark, x-length-mark, x-required-mark and x-source (as in the domain study),
// x-type (its notation), x-sensitivity, x-ref (types whose key the field holds), x-expected (required by inference only: counted, never
// refused, design §8), x-normalise (what intake may do to a value at fault, normalise.go), x-when and x-message (the reason a branch gives).
//
// How data passes through: [Load] reads packs under fixed bounds, checks every file against a closed list of keywords, compares digests,
// compiles, and either reports every fault of every pack ([*PackError]) or returns an immutable [*Registry] of their editions (edition.go):
// those that judge new records between their dates, and those that are only known. [Registry.Current] gives the type for new records,
// [Registry.ByRef] exactly the one a segment header names. [Type.Validate] returns [Faults]; none means valid.
// [Type.Remarks] tells what is odd in a record that nobody refuses: rules that are only expected, mojibake, names in private-use characters.
//
// A record is judged twice at most. Each type is compiled to a table (table.go; table_compile.go and table_condition.go make it, table_judge.go
// and scan.go run it over the raw bytes in one pass without allocating). What the table accepts is valid. Whatever it refuses or is not sure
// of (a duplicate member, a number written 1.0, an escaped member name) is decoded and judged by jsonschema/v6 and by the
// reference of the rules (rules.go), whose verdict counts and whose errors are put into words. A schema with a keyword or shape the table cannot express is judged by jsonschema alone. So the table can only
// ever be wrong by accepting too much; TestTableDiffers and TestRandomSchemas look for that, with jsonschema v5 as third opinion.
//
// What it promises:
//
//   - The verdict depends on the record and the type alone: no clock, no network, no file (protocol §1).
//   - Nothing is ever fetched: a schema that refers outside its own file is refused (protocol §8).
//   - Any bytes can be validated; any files can be loaded; both in bounded time and memory.
//   - A reference type@version#digest never changes its meaning. The digest is SM3 over the canonical form (RFC 8785) of schema, code tables
//     and rules (protocol §2).
//
// What it leaves to others: duplicate members, lone surrogates and U+0000 are refused by the protocol's strict reader before; that a key is
// not somebody else's, by the sequencer; signatures of packs, by the directory.
//
// Start with Load(Embedded()).
package schemas

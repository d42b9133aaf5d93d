// Package diff tells what a new version of a schema pack changes for those who use it, and whether a node may adopt it by itself.
//
// Whoever changes a pack wants to know one thing: will a record that was accepted yesterday be refused tomorrow? [Compare] answers it from
// the schemas, [Replay] from records that really came, [Adoptable] puts both answers together (design §8, review A15: automatic adoption
// only for changes that are compatible and replay clean; everything else waits for a person).
//
// How data passes through: the types of two packs, as package schemas loaded them, are paired by name; the schemas of a pair are brought to
// one form (schema.go: references followed, code tables written out as sets) and walked side by side (walk.go), keyword by keyword. Each
// difference becomes a [Change] with its [Class].
//
// What it promises: if no change between two types is [Stricter] or [Breaking], then every record the old type accepts is accepted by the
// new one. This holds by construction. A schema accepts what all its keywords accept, so it suffices that each keyword of the new schema
// follows from the same keyword of the old one. A keyword is called looser only by a rule that says why; whatever no rule covers (a changed
// pattern, a changed condition, a keyword unknown here, a code table that cannot be seen) is stricter. The promise reaches as far as a
// type's digest does: schema and code tables. Packs of this version carry no other rules (protocol §2); when they do, they must be compared
// here too.
//
// It looks at types alone, not at who signed a pack. All functions are pure and safe for concurrent use.
//
// Start with Compare.
package diff

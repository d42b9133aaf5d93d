// Command genpack made the national pack from the field and code tables of the domain study, and keeps the digests of a pack's manifest
// right afterwards.
//
//	go run ./schemas/internal/genpack -domain DIR -out schemas/packs/national    fields.json and codes.json of DIR → types/, codes/, pack.json
//	go run ./schemas/internal/genpack -digests schemas/packs/national            after every edit of the pack by hand
//
// The committed pack is the one source of truth: it is edited by hand, reviewed and versioned. Running the first form again overwrites such
// edits of types/ and codes/ (rules/ it does not touch); it exists to show how the pack came about.
//
// notation.go turns the notation of the tables into JSON Schema. What is not in the tables and was decided here stands beside it, each with
// its reason: plans.go (what is required, what is sensitive, who gets it), conditions.go, tables.go (codes of rule columns), members.go
// (what arrays and objects hold, cells read otherwise than written), decisions.go (references, formats), notice.go (a type no table has),
// system.go (the types of the protocol). A decision about a field that no table has stops the generator.
package main

// Command genpack made the first version of the national pack from the field and code tables of the domain study, and keeps the digests of
// a pack's manifest right afterwards.
//
//	go run ./schemas/internal/genpack -domain DIR -out schemas/packs/national    once: fields.json and codes.json of DIR → types/, codes/
//	go run ./schemas/internal/genpack -digests schemas/packs/national            after every edit of the pack by hand
//
// The committed pack is the one source of truth: it is edited by hand, reviewed and versioned. Running the first form again overwrites such
// edits; it exists to show how the first version came about and to add the remaining types.
//
// notation.go turns the notation of the tables into JSON Schema; decisions.go holds everything that is not in the tables and was decided
// here, each with its reason: what is required, what is sensitive, what refers to what, conditions, formats and audiences.
package main

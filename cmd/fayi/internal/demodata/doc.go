// Package demodata is the demo's record source: what the business systems of one province's lawyer register and of two
// cities would write into their outboxes. It promises
//
//   - determinism: Generate(seed, n) yields the same bytes on every machine, and is the beginning of Generate(seed, m) for m > n;
//   - proportion: after every few dozen records the share of each node and type is the same (see mix in sources.go);
//   - consistency: identifiers carry right check digits, dates are in order, a case's undertaker is a lawyer of the
//     register and its receiving institution is one of the institutions, versions of one key tell one story;
//   - an answer key: every deliberately bad record names the fault code and JSON pointer the node must answer, and
//     Expected says how many records each node must accept, reject and count as unchanged;
//   - no real person: names are random, mobiles have network codes allotted to nobody, births lie in 1900.
//
// Data passes from the embedded tables of public facts (data/, described in data/PROVENANCE.md) through corpus, which
// parses them once, to one source for each node and type. A source builds version v of its i-th record from (seed, i, v)
// alone, so that an update, an exact repeat or a second pass needs no stored records, only one number a key. Generate
// chooses whose turn it is and what happens: a new key, an update, a repeat, a deletion, or a bad record, made by
// spoiling a good one in exactly one place (defects.go).
//
// Start at Generate in generate.go; the record types are in register.go (law_firm, lawyer), institutions.go
// (service_venue, mediation_committee, legal_aid_institution), consultation.go, ticket.go and aidcase.go.
// Field names, types and code tables are those of the national schema pack. All content is Chinese, as in a bureau.
package demodata

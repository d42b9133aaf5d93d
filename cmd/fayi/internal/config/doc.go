// Package config reads fayi.yaml, the one file a node is set up with, and opens
// what it names: database, keys, registrar, packs.
//
// What it promises:
//
//   - Reading is strict. A key nobody knows, a key given twice, a value of the
//     wrong kind, an alias or a second document is a fault. Scalars keep the text
//     that was written: node: 010800 is no number.
//   - Every fault of the file is reported at once ([Error]), each with its key
//     path, its line and what to write instead, in Chinese and in English.
//   - Secrets are never values: they are "file:" references, relative to the
//     folder of fayi.yaml, read when they are needed.
//
// [Load] is strictyaml.Decode, then defaults, then check (check.go). Paths come out of methods, absolute (open.go). [Sample]
// writes the commented file that fayi init leaves behind.
package config

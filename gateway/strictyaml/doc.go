// Package strictyaml reads the YAML files people write for a node: fayi.yaml, the
// profiles of foreign interfaces, the maps of adapters.
//
// What it promises:
//
//   - A key nobody knows, a key given twice, a value of the wrong kind, an alias
//     or a second document is a fault. Scalars keep the text that was written:
//     node: 010800 is no number.
//   - Every fault is reported at once ([Error]), each with its key path, its line
//     and what to write instead, in Chinese and in English.
//
// [Decode] reads; the caller's own checks add to the same list with
// [Document.Fault]; [Document.Err] gives it out. This is the only package that
// imports yaml.
package strictyaml

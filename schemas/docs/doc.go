// Package packdoc writes up record types for people: pages to read and print, and templates to fill in. Everything comes from the pack, so a
// pack that replaces ours brings its own documentation and nothing is written twice.
//
// How data passes through: [New] takes the types and works out what the pages say: fields with their limits in words, the rules across
// fields (rules.go), the code tables, who may read a record, and one example a type that the type itself has accepted (example.go).
// [Book.Files] then renders, in one fixed order: index and code tables, and for each type a page as HTML and as Markdown, a table to fill in
// as CSV and as XLSX. [Write] puts them into a folder and overwrites nothing that it did not write itself.
//
// What it promises:
//
//   - The same types and examples give the same bytes; no clock, no network, no file beside those given.
//   - A page needs nothing else: no script, no font, no picture, no style sheet beside it. Links lead to files of the same book only.
//   - Packs are foreign data: whatever a title says is text in HTML and Markdown and no formula in a table.
//   - An example on a page has passed [schemas.Type.Validate]; a type for which none could be made says so.
//   - What cannot be put into words is shown as JSON Schema rather than left out.
//
// Start with New.
package packdoc

// Package records reads records out of files that people and other systems
// export: NDJSON, JSON, CSV and XML.
//
// [Open] gives a [Reader]; each [Reader.Next] is one record with the place it
// came from. A record that cannot be read is returned with [Record.Err] and
// does not end the file, as long as the next one can be found. The contents are
// not judged here: that is the record type's business.
//
// NDJSON: one JSON object a line, empty lines ignored. JSON: one object or an
// array of them. CSV: a header of field names or Chinese titles, then one record
// a line; how cells become JSON is told by the type's fields, see csv.go. XML: a
// message of package sfxml.
package records

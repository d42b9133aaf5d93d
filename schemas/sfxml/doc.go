// Package sfxml carries records as XML messages and back without losing a byte.
//
// SF/T 0011-2017 exchanges XML messages of a head (报文头) and a body (报文体); that much is in its table of contents. Its clauses and schemas
// are not public, so every element name here is ours [INFER]: docs/xml.md describes the form, [XSD] writes the schema of one record type out
// of its pack.
//
// How data passes through: [New] derives a [Mapping] from a record type. [AppendOpen],
// [Mapping.AppendRecord] and [Close] write a message; [NewReader] and [Reader.Next] read one, record by record, whatever its size.
//
// What it promises:
//
//   - JSON → XML → JSON gives the same bytes for every compact record its type accepts: members keep their order, numbers their digits, and
//     texts written otherwise than [Mapping.AppendRecord] would read them back (escapes such as \u4e2d, characters XML forbids) stand
//     beside their element's text in an attribute. A signed line can be checked from its XML.
//   - What the writer writes, the XSD accepts.
//   - Any bytes can be read, in memory bounded by one record: nothing is fetched or expanded, no tree is built. DOCTYPE, entities beyond the
//     five, processing instructions, other namespaces, unknown, repeated and misplaced elements and attributes are refused by a [Fault]
//     with line and column.
//
// What it leaves to others: contents. An element whose text does not fit its field is passed on as text, so that [schemas.Type.Validate]
// names the field and says what to do; the byte rules of protocol §2 are checked where every record is.
//
// Start with Reader.
package sfxml

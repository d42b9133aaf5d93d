package triggers

// Map says which tables of one database become which records.
type Map struct {
	Records []Record `yaml:"records"`
}

// Record maps one table, and what is joined to it, to one record type.
type Record struct {
	Type    string `yaml:"type"`
	Name    string `yaml:"name"`    // of the triggers, [a-z][a-z0-9_]{0,39}; default: the type
	Table   string `yaml:"table"`   // one row of it is one record
	Row     string `yaml:"row"`     // its column that finds a row and that joins refer to; default: the primary key
	Charset string `yaml:"charset"` // what the bytes of its text columns really are, such as gbk in a column declared latin1
	Join    []Join `yaml:"join"`
	Deleted *When  `yaml:"deleted"` // such rows count as deleted
	Only    *When  `yaml:"only"`    // other rows count as deleted
	// Fields are the members of the record. Those of the key field may only have Column, Prefix and Upper.
	Fields map[string]Field `yaml:"fields"`
}

// Join is a further table of the record, linked by a column that holds the main table's Row.
type Join struct {
	Name    string `yaml:"name"` // as in columns: name.column
	Table   string `yaml:"table"`
	On      string `yaml:"on"` // its column
	Charset string `yaml:"charset"`
}

// When is a condition on a column: it has one of the values or, without values, is not empty.
type When struct {
	Column string   `yaml:"column"`
	Values []string `yaml:"values"`
}

// Field says where one member comes from: a column, a constant, or the rows of a join.
type Field struct {
	Column string  `yaml:"column"` // column of the main table, or join.column
	Value  *string `yaml:"value"`  // the same in every record

	Prefix    string            `yaml:"prefix"`    // put before the value
	Upper     bool              `yaml:"upper"`     // a-z to A-Z
	Split     string            `yaml:"split"`     // the column holds several values with this between them: an array
	Codes     map[string]string `yaml:"codes"`     // value in the table → value in the record; true and false for booleans
	Lookup    *Lookup           `yaml:"lookup"`    // translation by a table
	Otherwise *string           `yaml:"otherwise"` // where there is no translation; "" leaves the member out. Default: the value as it is

	Rows   string           `yaml:"rows"`  // join whose rows make an array of objects
	Only   *When            `yaml:"only"`  // of these rows
	Order  string           `yaml:"order"` // column they are ordered by
	Fields map[string]Field `yaml:"fields"`
}

// Lookup finds a value in a table of the same database: the Take of the row whose Match is the column's value.
type Lookup struct {
	Table   string `yaml:"table"`
	Match   string `yaml:"match"`
	Take    string `yaml:"take"`
	Charset string `yaml:"charset"`
}

// Type is what the map is checked against: a record type of a schema pack.
type Type struct {
	Name   string
	Key    string // the member that is the record's key
	Fields []Member
}

// Member is one member of a record type.
type Member struct {
	Name, Title string
	Kind        string // string, integer, boolean, array, object
	Format      string // date, date-time, decimal-…; others do not matter here
	Required    bool
	Expected    bool
	Codes       []string // those allowed; none: not a code
	Members     []Member // of the objects in an array
}

// Target is where the rows go: the outbox of a source.
type Target struct {
	Database, Table string
	Types           []string // the source may publish; "*" for all
	Prefix          string   // of its keys
}

// Fault is something to correct in the map or to be aware of in the tables.
type Fault struct {
	Code      string `json:"code"`
	Path      string `json:"path"` // in the map, such as records[0].fields.status.codes
	Message   string `json:"message"`
	MessageEN string `json:"message_en"`
}

// Codes of faults.
const (
	CodeMap      = "MAP"          // the map contradicts itself
	CodeType     = "UNKNOWN_TYPE" // no such record type, or not of this source
	CodeField    = "UNKNOWN_FIELD"
	CodeRequired = "REQUIRED" // a required member comes from nowhere
	CodeTable    = "NO_TABLE"
	CodeColumn   = "NO_COLUMN"
	CodeKey      = "NO_KEY"     // nothing finds one row
	CodeEngine   = "NOT_INNODB" // the table is in no transaction
	CodeCode     = "CODE"       // a translation leads to a code that is none
	CodeValues   = "UNTRANSLATED"
	CodeDates    = "DATE"
	CodeKind     = "TYPE"
	CodeOutbox   = "NO_OUTBOX"
	CodeCascade  = "CASCADE"
)

package schemas

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Classes of sensitivity, in the words packs use.
const (
	Public    = "公开"
	Internal  = "内部"
	Sensitive = "敏感个人信息"
)

// Type is one version of a record type. It never changes and is safe for concurrent use.
type Type struct {
	name, title, en, key, digest, ref string
	version                           int
	system, urgent                    bool
	audience                          map[string]string
	from, until                       time.Time
	packName, packVersion             string
	source                            []byte
	schema                            *jsonschema.Schema
	table                             *table // nil if the schema has a shape it cannot express
	exact                             *table // see [Type.Exact]; nil where table is
	opening                           []byte // how a record begins whose key field comes first
	root                              *node
	whys                              map[string]why // place of an allOf branch → its reason
	rules                             []Rule
	rawRules                          []byte                 // rules as they stand in the pack
	bound                             map[string]*boundRules // by the member they are about
}

// why is the reason a branch of a schema gives: a condition ("when …") or a whole message.
type why struct {
	zh, en    string
	condition bool
}

// Field describes one member of a record, for people and for tools that show or map records.
type Field struct {
	Name        string
	Title       string // Chinese name
	EN          string // English name, "" where no source has one
	JSONType    string // string, integer, boolean, array, object
	Notation    string // of the domain study: c1..100, n6, n..10,2, d, dt, b, arr …
	Format      string // national format, see package formats
	Pattern     string
	Requirement string // M, C or O, as the source table has it
	Required    bool   // a record without it is refused
	Expected    bool   // M only by inference: missed in the completeness figure, never refused (design §8)
	Sensitivity string // Public, Internal or Sensitive; "" where the pack says nothing
	Tables      []*Table
	Normalise   []string // what intake does to a value that is refused as it stands, see [Type.Normalise]
	Refs        []string // types whose key the field holds, any one of them
	Mark        string   // provenance of the field, of its length and of its requirement: [STD], [STD*], [SRC], [INFER]
	LengthMark  string
	RequiredMark,
	Source, Rule, Note string
	Fields []Field // members of an object, or of the objects in an array
}

// node is a Field with what is below it by name.
type node struct {
	Field
	order    int
	names    []string
	children map[string]*node
	items    *node
}

// inherit gives the element of an array what it lacks from the array's own field.
func (n *node) inherit(array *node) {
	if n.Title == "" {
		n.Title = array.Title
	}
	if n.Sensitivity == "" {
		n.Sensitivity = array.Sensitivity
		for _, c := range n.children {
			if c.Sensitivity == "" {
				c.Sensitivity = n.Sensitivity
			}
		}
	}
}

// Name returns the name used in streams and outbox rows.
func (t *Type) Name() string { return t.name }

// Version returns the version within the name; a higher one is newer.
func (t *Type) Version() int { return t.version }

// Ref returns "name@version#digest", as segment headers carry it.
func (t *Type) Ref() string { return t.ref }

// Digest returns the 64 hex digits of SM3 over the type's schema and code tables (protocol §2).
func (t *Type) Digest() string { return t.digest }

// Title returns the Chinese name.
func (t *Type) Title() string { return t.title }

// TitleEN returns the English name.
func (t *Type) TitleEN() string { return t.en }

// KeyField returns the member that repeats the record's key, "" if the type has none.
func (t *Type) KeyField() string { return t.key }

// System tells whether the type belongs to the protocol itself: such records are never answered by rejection records (protocol §3).
func (t *Type) System() bool { return t.system }

// Urgent tells whether records of the type have their own sealing round and connection (design §5).
func (t *Type) Urgent() bool { return t.urgent }

// Audience returns the audience the pack suggests when a node of that role (county, city, province, ministry) publishes the type; ok is
// false where it suggests none. "to-{origin}" stands for "to-" and the node that is answered.
func (t *Type) Audience(role string) (audience string, ok bool) {
	audience, ok = t.audience[role]
	return audience, ok
}

// Audiences returns all suggestions, audience by role.
func (t *Type) Audiences() map[string]string { return maps.Clone(t.audience) }

// Pack returns name and version of the pack the type came with.
func (t *Type) Pack() (name, version string) { return t.packName, t.packVersion }

// InForce returns the days between which new records may be judged by the type; until is zero for no end.
func (t *Type) InForce() (from, until time.Time) { return t.from, t.until }

// InForceAt tells whether the days of the type's pack hold a moment.
func (t *Type) InForceAt(at time.Time) bool {
	return !at.Before(t.from) && (t.until.IsZero() || at.Before(t.until))
}

// Schema returns the schema document as it stands in the pack, code tables by name.
func (t *Type) Schema() []byte { return bytes.Clone(t.source) }

// RulesJSON returns the rules as they stand in the pack, "[]" if there are none.
func (t *Type) RulesJSON() []byte { return bytes.Clone(t.rawRules) }

// Fields describes the members of a record in the order of the pack. The tables are shared and must not be changed.
func (t *Type) Fields() []Field { return t.root.fields() }

func (n *node) fields() []Field {
	var list []Field
	for _, name := range n.names {
		c := n.children[name]
		f := c.Field
		f.Fields = c.fields()
		if c.items != nil {
			f.Fields = c.items.fields()
			f.Tables = append(f.Tables, c.items.Tables...)
		}
		list = append(list, f)
	}
	return list
}

// ErrNoKey is returned by [Type.Key] for a type without key field.
var ErrNoKey = errors.New("record type has no key field")

// Key returns the text of the record's key field. data needs not be valid otherwise.
func (t *Type) Key(data []byte) (string, error) {
	if t.key == "" {
		return "", fmt.Errorf("%s: %w", t.name, ErrNoKey)
	}
	if key, ok := t.firstKey(data); ok {
		return string(key), nil
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return "", fmt.Errorf("%s: record is not a JSON object", t.name)
	}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return "", fmt.Errorf("%s: %w", t.name, err)
		}
		if tok == t.key {
			var key any
			if err := dec.Decode(&key); err != nil {
				return "", fmt.Errorf("%s: %w", t.name, err)
			}
			if s, ok := key.(string); ok && s != "" {
				return s, nil
			}
			return "", fmt.Errorf("%s: key field %s is empty or not a text", t.name, t.key)
		}
		var skip json.RawMessage
		if err := dec.Decode(&skip); err != nil {
			return "", fmt.Errorf("%s: %w", t.name, err)
		}
	}
	return "", fmt.Errorf("%s: key field %s is missing", t.name, t.key)
}

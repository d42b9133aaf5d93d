package schemas

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/emmansun/gmsm/sm3"
	"github.com/gowebpki/jcs"
)

// Bounds of a pack (protocol §8 names the first two; the others keep one file from standing for the whole).
const (
	maxPackBytes  = 5 << 20
	maxPattern    = 512  // characters of one pattern
	maxDepth      = 32   // nesting of any file
	maxTypes      = 256  // as many as a node accepts of one origin (protocol §1)
	maxSubschemas = 2000 // of one type, counted with every $ref written out
	maxTables     = 2000
)

// folders of a pack beside pack.json; what else lies there is no part of it.
var folders = []string{"codes", "rules", "types"}

var (
	typeName  = regexp.MustCompile(`^[a-z][a-z0-9_]{1,47}$`)
	packName  = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)
	packVer   = regexp.MustCompile(`^[0-9]{1,5}\.[0-9]{1,5}\.[0-9]{1,5}$`)
	roleName  = regexp.MustCompile(`^[a-z]{1,16}$`)
	audiences = regexp.MustCompile(`^(upstream|downstream|public|test|to-\{origin\})$`)
)

// manifest is pack.json.
type manifest struct {
	Name    string          `json:"name"`
	Version string          `json:"version"`
	Title   string          `json:"title"`
	EN      string          `json:"en"`
	From    string          `json:"from"`
	Until   string          `json:"until"`
	Types   []manifestEntry `json:"types"`

	from, until time.Time // until is zero for a pack without end
}

// manifestEntry is what pack.json says about one type.
type manifestEntry struct {
	Name     string            `json:"name"`
	Version  int               `json:"version"`
	Title    string            `json:"title"`
	EN       string            `json:"en"`
	Key      string            `json:"key"`
	System   bool              `json:"system"`
	Urgent   bool              `json:"urgent"`
	Audience map[string]string `json:"audience"`
	Digest   string            `json:"digest"`
}

// Table is a code table. It is shared between types and must not be changed.
type Table struct {
	Name      string `json:"name"`
	Title     string `json:"title"`
	EN        string `json:"en"`
	LabelMark string `json:"label_mark"` // provenance of the names, as in the domain study: [STD], [STD*], [SRC], [INFER]
	CodeMark  string `json:"code_mark"`  // provenance of the codes
	Source    string `json:"source"`
	Note      string `json:"note,omitempty"`
	Items     []Item `json:"items"`
}

// Item is one code of a table.
type Item struct {
	Code   string `json:"code"`
	Name   string `json:"name"`
	EN     string `json:"en,omitempty"`
	Parent string `json:"parent,omitempty"` // code of the item one level up
}

// pack is one pack read and parsed, its schemas not yet compiled.
type pack struct {
	manifest
	schemas map[string]source // by type name
	tables  map[string]*Table
	rawCode map[string][]byte   // bytes of each table's file
	rules   map[string]ruleFile // by type name
}

// ruleFile holds the rules of one type.
type ruleFile struct {
	raw  []byte
	list []Rule
}

// source is the schema document of one type.
type source struct {
	raw []byte
	doc *tree
}

// readPack reads and checks everything but the meaning of the schemas, putting what it finds into faults.
func readPack(fsys fs.FS, faults *faultList) *pack {
	p := &pack{schemas: map[string]source{}, tables: map[string]*Table{}, rawCode: map[string][]byte{}, rules: map[string]ruleFile{}}
	left := maxPackBytes
	read := func(name string) []byte {
		data, err := readFile(fsys, name, left)
		if err != nil {
			faults.add(name, "", "%v", err)
			return nil
		}
		left -= len(data)
		return data
	}
	raw := read("pack.json")
	if raw == nil {
		return nil
	}
	if err := strictJSON(raw, &p.manifest); err != nil {
		faults.add("pack.json", "", "%v", err)
		return nil
	}
	p.checkManifest(faults)
	for _, name := range folder(fsys, "codes", maxTables, faults) {
		file := "codes/" + name + ".json"
		data := read(file)
		if data == nil {
			continue
		}
		var t Table
		if err := strictJSON(data, &t); err != nil {
			faults.add(file, "", "%v", err)
			continue
		}
		if t.Name != name {
			faults.add(file, "/name", "is %q, must be the file's name %q", t.Name, name)
		}
		t.check(file, faults)
		p.tables[name], p.rawCode[name] = &t, data
	}
	for _, name := range folder(fsys, "types", maxTypes, faults) {
		file := "types/" + name + ".json"
		if !slices.ContainsFunc(p.Types, func(e manifestEntry) bool { return e.Name == name }) {
			faults.add(file, "", "type is not in pack.json")
		}
		data := read(file)
		if data == nil {
			continue
		}
		doc, err := parseTree(data)
		if err != nil {
			faults.add(file, "", "%v", err)
			continue
		}
		p.schemas[name] = source{data, doc}
	}
	for _, name := range folder(fsys, "rules", maxTypes, faults) {
		file := "rules/" + name + ".json"
		if !slices.ContainsFunc(p.Types, func(e manifestEntry) bool { return e.Name == name }) {
			faults.add(file, "", "type is not in pack.json")
		}
		data := read(file)
		if data == nil {
			continue
		}
		f := ruleFile{raw: data}
		if err := strictJSON(data, &f.list); err != nil {
			faults.add(file, "", "%v", err)
			continue
		}
		if len(f.list) == 0 {
			faults.add(file, "", "holds no rule; leave it out")
		}
		p.rules[name] = f
	}
	for i, e := range p.Types {
		if _, ok := p.schemas[e.Name]; !ok {
			faults.add("pack.json", fmt.Sprintf("/types/%d", i), "type %q has no readable types/%s.json", e.Name, e.Name)
		}
	}
	return p
}

func (p *pack) checkManifest(faults *faultList) {
	bad := func(ptr, format string, args ...any) { faults.add("pack.json", ptr, format, args...) }
	if !packName.MatchString(p.Name) {
		bad("/name", "must be lower-case letters, digits and hyphens")
	}
	if !packVer.MatchString(p.Version) {
		bad("/version", "must be written 1.2.3")
	}
	if p.Title == "" || p.EN == "" {
		bad("", "title and en must be given")
	}
	day := func(ptr, s string) time.Time {
		t, err := time.ParseInLocation(time.DateOnly, s, chinaTime)
		if err != nil {
			bad(ptr, "must be a date")
		}
		return t
	}
	p.from = day("/from", p.From)
	if p.Until != "" {
		if p.until = day("/until", p.Until); !p.until.After(p.from) {
			bad("/until", "must be after from")
		}
	}
	if len(p.Types) == 0 || len(p.Types) > maxTypes {
		bad("/types", "must be 1 to %d types", maxTypes)
	}
	seen := map[string]bool{}
	for i, e := range p.Types {
		at := fmt.Sprintf("/types/%d", i)
		if !typeName.MatchString(e.Name) {
			bad(at+"/name", "is no type name (protocol §1)")
		}
		if seen[e.Name] {
			bad(at+"/name", "%q occurs twice", e.Name)
		}
		seen[e.Name] = true
		if e.Version < 1 || e.Version > 999_999_999 {
			bad(at+"/version", "must be 1 to 999999999")
		}
		if e.Title == "" || e.EN == "" {
			bad(at, "title and en must be given")
		}
		for role, a := range e.Audience {
			if !roleName.MatchString(role) || !audiences.MatchString(a) {
				bad(at+"/audience", "%q: %q is no audience a pack may give", role, a)
			}
		}
	}
}

func (t *Table) check(file string, faults *faultList) {
	if t.Title == "" {
		faults.add(file, "/title", "must be given")
	}
	if len(t.Items) == 0 {
		faults.add(file, "/items", "must not be empty")
	}
	codes := map[string]bool{}
	for i, it := range t.Items {
		at := fmt.Sprintf("/items/%d", i)
		if it.Code == "" || len(it.Code) > 64 || it.Name == "" {
			faults.add(file, at, "needs a code of at most 64 bytes and a name")
		}
		if codes[it.Code] {
			faults.add(file, at+"/code", "%q occurs twice", it.Code)
		}
		codes[it.Code] = true
	}
}

// folder lists the names of the JSON files in a folder without their suffix; anything else in it is a fault.
func folder(fsys fs.FS, dir string, limit int, faults *faultList) []string {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			faults.add(dir, "", "%v", err)
		}
		return nil
	}
	if len(entries) > limit {
		faults.add(dir, "", "has %d files, at most %d are read", len(entries), limit)
		return nil
	}
	var names []string
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".json")
		if !ok || e.IsDir() || !typeName.MatchString(name) {
			faults.add(path.Join(dir, e.Name()), "", "does not belong into a pack")
			continue
		}
		names = append(names, name)
	}
	return names
}

// readFile reads at most limit bytes of a file and fails if there are more.
func readFile(fsys fs.FS, name string, limit int) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err != nil {
		return nil, err
	}
	if len(data) > limit {
		return nil, fmt.Errorf("the pack is larger than %d bytes", maxPackBytes)
	}
	return data, nil
}

// strictJSON decodes data into v and refuses duplicate, unknown and differently cased members (encoding/json would take NAME for name).
func strictJSON(data []byte, v any) error {
	t, err := parseTree(data)
	if err != nil {
		return err
	}
	if name, ok := t.oddName(); ok {
		return fmt.Errorf("member %q", name)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	return dec.Decode(v)
}

// noRules stands for the rules of a type that has none.
var noRules = []byte("[]")

func (p *pack) rawRules(name string) []byte {
	if f, ok := p.rules[name]; ok {
		return f.raw
	}
	return noRules
}

// digest is SM3 over the JCS form of {"schema","codes","rules"} with the schema and the rules as they stand in their files and the tables
// the schema names (protocol §2).
func (p *pack) digest(name string) (string, error) {
	var b bytes.Buffer
	b.WriteString(`{"schema":`)
	b.Write(p.schemas[name].raw)
	b.WriteString(`,"codes":{`)
	for i, table := range tablesOf(p.schemas[name].doc) {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:", table)
		b.Write(p.rawCode[table])
	}
	b.WriteString(`},"rules":`)
	b.Write(p.rawRules(name))
	b.WriteByte('}')
	canonical, err := jcs.Transform(b.Bytes())
	if err != nil {
		return "", fmt.Errorf("canonical form: %w", err)
	}
	sum := sm3.Sum(canonical)
	return hex.EncodeToString(sum[:]), nil
}

// tablesOf lists the code tables a schema names, sorted, each once.
func tablesOf(doc *tree) []string {
	var names []string
	var walk func(*tree)
	walk = func(t *tree) {
		for _, m := range t.members() {
			if list, ok := m.value.texts(); ok && m.name == "x-codes" {
				names = append(names, list...)
			} else {
				walk(m.value)
			}
		}
		for _, item := range t.items() {
			walk(item)
		}
	}
	walk(doc)
	slices.Sort(names)
	return slices.Compact(names)
}

// Digests computes the digest of every type of a pack, by type name, without looking at those its manifest states. It is for whoever edits
// a pack; [Load] compares.
func Digests(fsys fs.FS) (map[string]string, error) {
	var faults faultList
	p := readPack(fsys, &faults)
	if err := faults.err(); err != nil {
		return nil, err
	}
	digests := map[string]string{}
	for name, s := range p.schemas {
		for _, t := range tablesOf(s.doc) {
			if p.tables[t] == nil {
				faults.add("types/"+name+".json", "", "code table %q does not exist", t)
			}
		}
		d, err := p.digest(name)
		if err != nil {
			faults.add("types/"+name+".json", "", "%v", err)
		}
		digests[name] = d
	}
	if err := faults.err(); err != nil {
		return nil, err
	}
	return digests, nil
}

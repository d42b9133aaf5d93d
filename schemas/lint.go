package schemas

import (
	"encoding/json"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
)

// Keywords a pack may use. The list is closed so that every reader of a pack (this validator, one in Java, the form generator, the XML
// mapping) understands all of it, and nothing in it can load a document, recurse or take exponential time.
var (
	scalarKeywords = []string{
		"$schema", "$id", "$ref", "title", "description", "type", "required", "enum", "const", "format", "pattern", "minLength", "maxLength",
		"minimum", "maximum", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties",
	}
	schemaKeywords = []string{"items", "contains", "if", "then", "else", "not"}
	listKeywords   = []string{"allOf", "anyOf", "oneOf"}
	mapKeywords    = []string{"properties", "$defs"}
)

const dialect = "https://json-schema.org/draft/2020-12/schema"

var (
	plainNumber = regexp.MustCompile(`^-?[0-9]{1,16}(\.[0-9]{1,16})?$`)
	localRef    = regexp.MustCompile(`^#/\$defs/[A-Za-z0-9_-]{1,64}$`)
)

// linter checks the schema document of one type before it is compiled.
type linter struct {
	file   string
	pack   *pack
	doc    *tree
	faults *faultList
	count  int // subschemas so far, references written out
}

func (l *linter) add(ptr, format string, args ...any) { l.faults.add(l.file, ptr, format, args...) }

// lintRoot checks the whole document.
func (l *linter) lintRoot(e *manifestEntry) {
	if l.doc.object == nil {
		l.add("", "must be a JSON object")
		return
	}
	if l.doc.text("$schema") != dialect {
		l.add("/$schema", "must be %q; no other dialect is loaded", dialect)
	}
	if id := l.doc.text("$id"); !ownID(id) {
		l.add("/$id", "must be an https://….invalid/… or urn: name; it is never fetched")
	}
	if l.doc.text("type") != "object" || l.doc.get("properties") == nil {
		l.add("", "a record type must be an object with properties")
	}
	if a := l.doc.get("additionalProperties"); a == nil || a.scalar != false {
		l.add("/additionalProperties", "must be false: unknown members are refused at the top of a record")
	}
	for name, want := range map[string]string{"title": e.Title, "x-en": e.EN, "x-key": e.Key} {
		if got := l.doc.text(name); got != want {
			l.add("/"+name, "is %q, pack.json says %q", got, want)
		}
	}
	if e.Key != "" {
		key := l.doc.get("properties").get(e.Key)
		required, _ := l.doc.get("required").texts()
		if key.text("type") != "string" || !slices.Contains(required, e.Key) {
			l.add("/x-key", "%q must be a required text field", e.Key)
		}
	}
	for _, m := range l.doc.get("properties").members() {
		declared, _ := m.value.get("x-normalise").texts()
		required, _ := l.doc.get("required").texts()
		if len(declared) > 0 && m.name == e.Key {
			l.add("/properties/"+m.name+"/x-normalise", "a key is what the source wrote beside the record; it cannot be changed")
		}
		if slices.Contains(declared, stepAbsent) && slices.Contains(required, m.name) {
			l.add("/properties/"+m.name+"/x-normalise", "a required member cannot be left out")
		}
	}
	l.schema(l.doc, "", nil)
	l.numbers(l.doc, "")
}

// schema checks t and everything below it, following references; via holds the references on the way.
func (l *linter) schema(t *tree, ptr string, via []string) {
	if l.count++; l.count == maxSubschemas+1 {
		l.add("", "has more than %d subschemas, counting every use of a $ref", maxSubschemas)
	}
	if l.count > maxSubschemas {
		return
	}
	if t.object == nil {
		l.add(ptr, "must be a schema object")
		return
	}
	for _, m := range t.members() {
		at := ptr + pointer(m.name)
		switch {
		case slices.Contains(schemaKeywords, m.name):
			l.schema(m.value, at, via)
		case slices.Contains(listKeywords, m.name):
			if m.value.array == nil {
				l.add(at, "must be an array of schemas")
			}
			for i, item := range m.value.items() {
				l.schema(item, at+"/"+strconv.Itoa(i), via)
			}
		case slices.Contains(mapKeywords, m.name):
			if m.value.object == nil {
				l.add(at, "must be an object of schemas")
			}
			for _, p := range m.value.members() {
				l.schema(p.value, at+pointer(p.name), via)
			}
		case m.name == "additionalProperties":
			if _, ok := m.value.scalar.(bool); !ok {
				l.schema(m.value, at, via)
			}
		case strings.HasPrefix(m.name, "x-"):
			l.annotation(t, m.name, m.value, at)
		case slices.Contains(scalarKeywords, m.name):
			l.keyword(m.name, m.value, at, ptr, via)
		default:
			l.add(at, "keyword is not among those a pack may use")
		}
	}
}

func (l *linter) keyword(name string, v *tree, at, ptr string, via []string) {
	s, isText := v.scalar.(string)
	switch name {
	case "$schema", "$id":
		if ptr != "" {
			l.add(at, "is allowed at the root only")
		}
	case "$ref":
		target := l.doc.get("$defs").get(strings.TrimPrefix(s, "#/$defs/"))
		switch {
		case !localRef.MatchString(s) || target == nil:
			l.add(at, "must name a schema in $defs of the same file; nothing else is ever loaded")
		case slices.Contains(via, s):
			l.add(at, "refers to itself")
		default:
			l.schema(target, s[1:], append(slices.Clip(via), s))
		}
	case "type":
		if !isText {
			l.add(at, "must be one type")
		}
	case "format":
		if _, ok := formatNamed(s); !ok {
			l.add(at, "%q is not a known format", s)
		}
	case "pattern":
		if err := checkPattern(s); err != nil || !isText {
			l.add(at, "%v", err)
		}
	}
}

// annotation checks the members this package gives a meaning to; others are for people.
func (l *linter) annotation(t *tree, name string, v *tree, at string) {
	s, isText := v.scalar.(string)
	list, isList := v.texts()
	switch name {
	case "x-codes":
		if !isList || len(list) == 0 || t.get("enum") != nil || t.text("type") != "string" {
			l.add(at, "must name code tables, on a text without enum")
		}
		for _, table := range list {
			if l.pack.tables[table] == nil {
				l.add(at, "code table %q does not exist", table)
			}
		}
	case "x-ref":
		for _, ref := range list {
			if !typeName.MatchString(ref) {
				l.add(at, "%q is no type name", ref)
			}
		}
		if !isList || len(list) == 0 {
			l.add(at, "must be a list of type names")
		}
	case "x-normalise":
		for _, step := range list {
			if !slices.Contains(steps, step) {
				l.add(at, "%q is none of %s", step, strings.Join(steps, ", "))
			}
		}
		if !isList || len(list) == 0 || t.text("type") != "string" {
			l.add(at, "must be a list of steps, on a text")
		}
	case "x-sensitivity":
		if !slices.Contains([]string{Public, Internal, Sensitive}, s) {
			l.add(at, "must be %s, %s or %s", Public, Internal, Sensitive)
		}
	case "x-expected":
		if _, ok := v.scalar.(bool); !ok {
			l.add(at, "must be true or false")
		}
	case "x-when", "x-message":
		if !isText || s == "" || t.text(name+"-en") == "" {
			l.add(at, "must be a text, with %s-en beside it", name)
		}
	}
}

// numbers refuses numbers whose exact value would need much memory, such as 1e999999999.
func (l *linter) numbers(t *tree, ptr string) {
	if n, ok := t.scalar.(json.Number); ok && !plainNumber.MatchString(n.String()) {
		l.add(ptr, "number must be written plainly, with at most 16 digits")
	}
	for _, m := range t.members() {
		l.numbers(m.value, ptr+pointer(m.name))
	}
	for i, item := range t.items() {
		l.numbers(item, ptr+"/"+strconv.Itoa(i))
	}
}

// ownID tells whether id is a name in the pack's own space: one that cannot be fetched even by a careless reader.
func ownID(id string) bool {
	if rest, ok := strings.CutPrefix(id, "https://"); ok {
		host, _, ok := strings.Cut(rest, "/")
		return ok && strings.HasSuffix(host, ".invalid") && !strings.ContainsAny(id, "#?%\\ ")
	}
	return strings.HasPrefix(id, "urn:") && !strings.ContainsAny(id, "#?%\\ ")
}

// checkPattern accepts what RE2 and java.util.regex read alike: anchored at both ends (so that Java's matches and find agree), literals,
// classes without nesting, (?:…), \d and \w, escaped punctuation, and no unbounded repetition inside another (Java would backtrack).
func checkPattern(p string) error {
	if len([]rune(p)) > maxPattern {
		return fmt.Errorf("pattern is longer than %d characters", maxPattern)
	}
	if !strings.HasPrefix(p, "^") || !strings.HasSuffix(p, "$") || strings.HasSuffix(p, `\$`) {
		return fmt.Errorf("pattern must begin with ^ and end with $")
	}
	re, err := syntax.Parse(p, syntax.Perl)
	if err != nil {
		return fmt.Errorf("pattern: %w", err)
	}
	class := false
	for i := 0; i < len(p); i++ {
		switch c := p[i]; {
		case c == '\\':
			if i++; i < len(p) && (p[i] >= '0' && p[i] <= '9' || p[i] >= 'A' && p[i] <= 'z' && !strings.ContainsRune(`dw[\]^_`, rune(p[i]))) {
				return fmt.Errorf(`pattern uses \%c, which Java and RE2 read differently or one of them not at all`, p[i])
			}
		case class && (c == '[' || (c == '&' && strings.HasPrefix(p[i:], "&&"))):
			return fmt.Errorf("pattern nests or intersects classes, which RE2 does not know")
		case class:
			class = c != ']'
		case c == '[':
			class = true
		case c == '.':
			return fmt.Errorf("pattern uses a bare dot, which differs at line ends; write a class")
		case c == '(' && strings.HasPrefix(p[i:], "(?") && !strings.HasPrefix(p[i:], "(?:"):
			return fmt.Errorf("pattern uses a group other than (…) and (?:…)")
		case (c == '^' && i > 0) || (c == '$' && i < len(p)-1):
			return fmt.Errorf("pattern has an anchor in its middle")
		}
	}
	if nestedRepeat(re, false) {
		return fmt.Errorf("pattern repeats a repetition without bound")
	}
	// ^a|b$ is anchored in its branches only; Java's matches would read ^(a|b)$.
	if re.Op == syntax.OpAlternate {
		return fmt.Errorf("pattern has alternatives at its top; put them in (?:…)")
	}
	return nil
}

func nestedRepeat(re *syntax.Regexp, inside bool) bool {
	open := re.Op == syntax.OpStar || re.Op == syntax.OpPlus || (re.Op == syntax.OpRepeat && re.Max < 0)
	if open && inside {
		return true
	}
	for _, sub := range re.Sub {
		if nestedRepeat(sub, inside || open) {
			return true
		}
	}
	return false
}

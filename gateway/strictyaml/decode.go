package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Document is a file that was read, with where each key stood, so that later
// checks can name its line. It is for one goroutine.
type Document struct {
	faults []Fault
	lines  map[string]int // key path → line
	bad    map[string]bool
	broken bool
}

// Decode reads data into the struct v points to, whose fields are named by yaml
// tags: text, whole numbers, true or false, time.Duration, [Tree], and structs,
// pointers, lists and maps of these. What is wrong is left as it was and noted.
func Decode(data []byte, v any) *Document {
	d := &Document{}
	d.document(data, v)
	return d
}

// Broken reports that data was not YAML: nothing else can be said about it.
func (d *Document) Broken() bool { return d.broken }

// Fault notes a defect at a key path, unless one is known there already.
func (d *Document) Fault(path, zh, en string) {
	if !d.bad[path] {
		d.fault(path, d.Line(path), zh, en)
	}
}

// Bad reports whether a defect is known at exactly this path.
func (d *Document) Bad(path string) bool { return d.bad[path] }

// Line is where a key stands, for an absent one the line of what it belongs to.
func (d *Document) Line(path string) int {
	for path != "" {
		if n, ok := d.lines[path]; ok {
			return n
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return 0
}

// Err is nil or an [*Error] with every fault, in the order of lines.
func (d *Document) Err(file string) error {
	if len(d.faults) == 0 {
		return nil
	}
	slices.SortStableFunc(d.faults, func(a, b Fault) int {
		if a.Line == 0 || b.Line == 0 { // what is absent comes last
			return b.Line - a.Line
		}
		return a.Line - b.Line
	})
	return &Error{File: file, Faults: d.faults}
}

func (d *Document) fault(path string, line int, zh, en string) {
	if d.bad == nil {
		d.bad = map[string]bool{}
	}
	d.bad[path] = true
	d.faults = append(d.faults, Fault{Path: path, Line: line, Message: zh, MessageEN: en})
}

func (d *Document) document(data []byte, v any) {
	d.lines = map[string]int{}
	dec := yaml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))))
	var doc, second yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		d.broken = true
		d.fault("", 0, "文件是空的", "the file is empty")
		return
	case err != nil:
		d.broken = true
		d.syntax(err)
		return
	}
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		d.fault("", 0, "只能有一份文档，请删去第二个 --- 及其后的内容", "only one document is allowed; delete the second --- and what follows")
	}
	d.value(doc.Content[0], reflect.ValueOf(v).Elem(), "")
}

var yamlLine = regexp.MustCompile(`line (\d+): (.*)`)

const starHint = "不支持别名（*），请直接写出内容；星号作为值时要加引号，如 \"*\""

// syntaxWords tell the usual slips by a part of yaml's sentence; the first that fits is used.
var syntaxWords = []struct {
	part, zh string
	placed   bool // the fault has a line
}{
	{"alphabetic or numeric", starHint, true},
	{"unknown anchor", starHint, true},
	{"cannot start any token", "此处有不能作为开头的字符，多为用制表符缩进，请改用空格", true},
	{"mapping values", "此处不应再出现“键: 值”，请检查上一行的引号和缩进", true},
	{"could not find expected ':'", "键后缺少冒号，或缩进不对", true},
	{"did not find expected", "缩进、括号或引号不配对", true},
	{"control characters", "含有控制字符，请删去", false},
	{"UTF-8", "不是 UTF-8 编码，请另存为 UTF-8", false},
}

// syntax words yaml's own errors. Its sentences are English; the line is what helps.
func (d *Document) syntax(err error) {
	line, what := 0, strings.TrimPrefix(err.Error(), "yaml: ")
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		line, _ = strconv.Atoi(m[1])
		what = m[2]
	}
	zh := "不符合 YAML 语法，请检查缩进（只能用空格）、冒号后的空格和引号"
	for _, w := range syntaxWords {
		if strings.Contains(what, w.part) {
			zh = w.zh
			if line == 0 && w.placed {
				line = 1 // yaml leaves out the first line's number
			}
			break
		}
	}
	d.fault("", line, zh, "not YAML: "+what)
}

// value decodes n into v. A value that is wrong is left as it was.
func (d *Document) value(n *yaml.Node, v reflect.Value, path string) {
	d.lines[path] = n.Line
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		d.fault(path, n.Line, starHint, `anchors and aliases are not allowed; quote a star: "*"`)
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem(), path)
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null":
		d.fault(path, n.Line, "没有写值；不需要时请删去这一行", "has no value; delete the line if it is not needed")
	case v.Type() == reflect.TypeFor[Tree]():
		v.Set(reflect.ValueOf(d.tree(n, path)))
	case v.Type() == reflect.TypeFor[time.Duration]():
		d.duration(n, v, path)
	case v.Kind() == reflect.Struct:
		d.structure(n, v, path)
	case v.Kind() == reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		d.members(n, path, func(key, val *yaml.Node, at string) {
			e := reflect.New(v.Type().Elem()).Elem()
			d.value(val, e, at)
			v.SetMapIndex(reflect.ValueOf(key.Value), e)
		})
	case v.Kind() == reflect.Slice:
		d.list(n, v, path)
	case v.Kind() == reflect.Bool:
		if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" {
			d.fault(path, n.Line, "应为 true 或 false", "must be true or false")
			return
		}
		v.SetBool(strings.EqualFold(n.Value, "true"))
	case v.CanInt():
		i, err := strconv.ParseInt(n.Value, 10, 64)
		if n.Kind != yaml.ScalarNode || err != nil || v.OverflowInt(i) {
			d.fault(path, n.Line, "应为整数", "must be a whole number")
			return
		}
		v.SetInt(i)
	default: // text, as it was written
		if n.Kind != yaml.ScalarNode {
			d.fault(path, n.Line, "应为一个文本值", "must be one text value")
			return
		}
		v.SetString(n.Value)
	}
}

// Tree is a part of a document kept as it was written: what has no fixed form.
type Tree struct {
	Line    int
	Text    string // of a scalar
	Quoted  bool   // the scalar is text by its quotes; otherwise it may be a number, true, false or null
	Members []Member
	Items   []Tree
	Kind    Kind
}

// Member is a key of a mapping, in the order written.
type Member struct {
	Name  string
	Value Tree
}

// Kind says what a Tree is.
type Kind int

// Kinds of trees; the zero Tree is Absent.
const (
	Absent Kind = iota
	Scalar
	Mapping
	List
)

func (d *Document) tree(n *yaml.Node, path string) Tree {
	t := Tree{Line: n.Line}
	d.lines[path] = n.Line
	switch n.Kind {
	case yaml.AliasNode:
		d.fault(path, n.Line, starHint, `anchors and aliases are not allowed; quote a star: "*"`)
	case yaml.ScalarNode:
		t.Kind, t.Text = Scalar, n.Value
		t.Quoted = n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
	case yaml.SequenceNode:
		t.Kind = List
		for i, item := range n.Content {
			t.Items = append(t.Items, d.tree(item, fmt.Sprintf("%s[%d]", path, i)))
		}
	case yaml.MappingNode:
		t.Kind = Mapping
		d.members(n, path, func(key, val *yaml.Node, at string) {
			t.Members = append(t.Members, Member{key.Value, d.tree(val, at)})
		})
	}
	return t
}

func (d *Document) list(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.SequenceNode {
		d.fault(path, n.Line, "应为列表，如 [a, b]，或每行一项以“- ”开头", "must be a list such as [a, b], or one item a line after \"- \"")
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		d.value(item, out.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
	v.Set(out)
}

func (d *Document) duration(n *yaml.Node, v reflect.Value, path string) {
	t, err := time.ParseDuration(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || t <= 0 {
		d.fault(path, n.Line, "应为时长，写作数字加单位，如 500ms、60s、5m、2h", "must be a duration such as 500ms, 60s, 5m or 2h")
		return
	}
	v.SetInt(int64(t))
}

func (d *Document) structure(n *yaml.Node, v reflect.Value, path string) {
	fields := map[string]reflect.Value{}
	var names []string
	for i := range v.NumField() {
		if name := v.Type().Field(i).Tag.Get("yaml"); name != "" {
			fields[name] = v.Field(i)
			names = append(names, name)
		}
	}
	d.members(n, path, func(key, val *yaml.Node, at string) {
		f, ok := fields[key.Value]
		if !ok {
			zh, en := "没有这个配置项，可用的有 "+strings.Join(names, "、"), "no such key; there are "+strings.Join(names, ", ")
			if near := nearest(key.Value, names); near != "" {
				zh, en = "没有这个配置项，是否想写 "+near+"？", "no such key; did you mean "+near+"?"
			}
			d.fault(at, key.Line, zh, en)
			return
		}
		d.value(val, f, at)
	})
}

// members goes over a mapping and refuses keys given twice.
func (d *Document) members(n *yaml.Node, path string, each func(key, val *yaml.Node, at string)) {
	if n.Kind != yaml.MappingNode {
		d.fault(path, n.Line, "应为若干“键: 值”，缩进在下一级", "must be keys with values, indented below")
		return
	}
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		at := key.Value
		if path != "" {
			at = path + "." + key.Value
		}
		if line, twice := first[key.Value]; twice {
			d.fault(at, key.Line, fmt.Sprintf("与第 %d 行重复，请只保留一处", line), fmt.Sprintf("is given in line %d already; keep one", line))
			continue
		}
		first[key.Value] = key.Line
		each(key, n.Content[i+1], at)
	}
}

// nearest returns the name of the same letters or at most two edits away, ""
// if none.
func nearest(s string, names []string) string {
	letters := func(s string) string {
		b := []byte(s)
		slices.Sort(b)
		return string(b)
	}
	best, near := 3, ""
	for _, n := range names {
		if letters(n) == letters(s) {
			return n
		}
		if e := edits(s, n); e < best && e < len(n) {
			best, near = e, n
		}
	}
	return near
}

// edits is the Levenshtein distance in bytes.
func edits(a, b string) int {
	if len(a) > 64 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		left, diag := i+1, i
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next := min(row[j+1]+1, left+1, diag+cost)
			diag, row[j] = row[j+1], left
			left = next
		}
		row[len(b)] = left
	}
	return row[len(b)]
}

// Faults are the defects known so far, in no order.
func (d *Document) Faults() []Fault { return d.faults }

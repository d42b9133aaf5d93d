package schemas

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"time"

	"fayi/schemas/formats"
)

// generator makes records by a schema: mostly valid ones, written the many ways JSON can be written.
type generator struct {
	*rand.Rand
	defs  map[string]any
	dense float64 // how often a member that need not be there is
}

func (g *generator) chance(p float64) bool { return g.Float64() < p }

func pick[T any](g *generator, list []T) T { return list[g.IntN(len(list))] }

func (g *generator) between(low, high int) int { return low + g.IntN(high-low+1) }

func numberOf(s map[string]any, name string, otherwise int) int {
	n, ok := s[name].(json.Number)
	if !ok {
		return otherwise
	}
	i, err := strconv.Atoi(n.String())
	if err != nil {
		return otherwise
	}
	return i
}

// value makes a value of schema s, which is a document after expand.
func (g *generator) value(v any) any {
	s, _ := v.(map[string]any)
	if ref, ok := s["$ref"].(string); ok {
		return g.value(g.defs[strings.TrimPrefix(ref, "#/$defs/")])
	}
	if c, ok := s["const"]; ok {
		return c
	}
	if values, ok := s["enum"].([]any); ok && len(values) > 0 {
		return pick(g, values)
	}
	switch s["type"] {
	case "string":
		return g.text(s)
	case "integer":
		low := numberOf(s, "minimum", -9)
		high := min(numberOf(s, "maximum", 999_999), 9_007_199_254_740_991)
		return json.Number(strconv.Itoa(pick(g, []int{low, max(low, high), low + g.IntN(max(1, high-low+1))})))
	case "boolean":
		return g.chance(0.5)
	case "array":
		low := numberOf(s, "minItems", 0)
		n := g.between(low, min(numberOf(s, "maxItems", 6), max(low, pick(g, []int{2, 6, 50}))))
		list := make([]any, n)
		for i := range list {
			list[i] = g.value(s["items"])
		}
		return list
	case "object":
		return g.object(s)
	}
	return g.anything(3)
}

func (g *generator) object(s map[string]any) any {
	m := map[string]any{}
	properties, _ := s["properties"].(map[string]any)
	required, _ := s["required"].([]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if slices.Contains(required, any(name)) || g.chance(g.dense) {
			m[name] = g.value(properties[name])
		}
	}
	if s["additionalProperties"] != false && g.chance(0.5) {
		for range g.IntN(4) {
			m[pick(g, []string{"other", "备注", "a b", "", "x\"y"})] = g.anything(3)
		}
	}
	return m
}

var letters = []rune("榆林市榆阳区张王李法律援助案件，。“”（）：；abcXYZ0123456789 -/<>&'\"\\\n\t\u00e9\u07ff\u0800\ud7ff\ue000\ufffd𠮷🀄\U0010ffff\u2028\u007f")

func (g *generator) runes(n int) string {
	alphabet := letters[:pick(g, []int{16, 40, len(letters)})]
	var b strings.Builder
	for range n {
		b.WriteRune(pick(g, alphabet))
	}
	return b.String()
}

func (g *generator) text(s map[string]any) string {
	if format, ok := s["format"].(string); ok {
		return g.formatted(format)
	}
	if pattern, ok := s["pattern"].(string); ok {
		re, err := syntax.Parse(pattern, syntax.Perl)
		if err != nil {
			return ""
		}
		var b strings.Builder
		g.matching(&b, re)
		return b.String()
	}
	low := numberOf(s, "minLength", 0)
	return g.runes(g.between(low, min(numberOf(s, "maxLength", 30), max(low, pick(g, []int{1, 8, 30, 300})))))
}

func (g *generator) matching(b *strings.Builder, re *syntax.Regexp) {
	low, high := 1, 1
	switch re.Op {
	case syntax.OpLiteral:
		b.WriteString(string(re.Rune))
		return
	case syntax.OpCharClass:
		i := g.IntN(len(re.Rune)/2) * 2
		b.WriteRune(re.Rune[i] + g.Int32N(re.Rune[i+1]-re.Rune[i]+1))
		return
	case syntax.OpAlternate:
		g.matching(b, pick(g, re.Sub))
		return
	case syntax.OpRepeat:
		low, high = re.Min, re.Max
	case syntax.OpQuest:
		low = 0
	case syntax.OpStar, syntax.OpPlus:
		high = -1
	}
	if high < 0 {
		high = low + 10
	}
	for range g.between(low, high) {
		for _, sub := range re.Sub {
			g.matching(b, sub)
		}
	}
}

// formatted makes a value of a national format from its definition; numbers of persons are synthetic, with births in 1900.
func (g *generator) formatted(format string) string {
	day := time.Date(1900, 1, 1, 0, 0, 0, 0, chinaTime).AddDate(0, 0, g.IntN(365))
	place := pick(g, []string{"610802", "110101", "650102", "441900", "610000", "710000"})
	if strings.HasPrefix(format, "division-past") && g.chance(0.3) {
		switch format {
		case "division-past-9":
			return "610821001"
		case "division-past-12":
			return "610821001001"
		}
		return pick(g, []string{"610821", "110103"}) // abolished
	}
	switch strings.Replace(format, "-past", "", 1) {
	case "caller-number":
		return pick(g, []string{g.phone(), formats.Hidden})
	case "id18":
		body := "610802" + day.Format("20060102") + fmt.Sprintf("%03d", g.IntN(1000))
		m := 0 // ISO 7064 MOD 11-2
		for _, c := range body {
			m = (m + int(c-'0')) * 2 % 11
		}
		return body + string("0123456789X"[(12-m)%11])
	case "uscc":
		return pick(g, []string{"31610000MD00000163", "12100000400002259P", "91110000802100433B", "1261080043600001X2", "31110000MD0000016H"})
	case "org-code":
		return pick(g, []string{"MD0000016", "400002259", "802100433", "D2143569X"})
	case "division":
		return pick(g, []string{place, "610802001", "610802001001"})
	case "division-6":
		return place
	case "division-9":
		return fmt.Sprintf("610802%03d", g.between(1, 599))
	case "division-12":
		return fmt.Sprintf("610802%03d%03d", g.between(1, 599), g.between(1, 599))
	case "court-case-no":
		return fmt.Sprintf("（%d）陕0802民初%d号", g.between(2016, 2099), g.between(1, 9999))
	case "lawyer-licence":
		return fmt.Sprintf("16108%d1%d%06d", g.between(1980, 2099), g.IntN(2), g.IntN(1_000_000))
	case "legal-qualification":
		return pick(g, []string{"", "A", "B", "C"}) + fmt.Sprintf("%d6108020001", g.between(1980, 2099))
	case "date":
		return day.AddDate(g.IntN(200), 0, 0).Format(time.DateOnly)
	case "date-time":
		return day.AddDate(g.IntN(200), 0, 0).Add(time.Duration(g.Int64N(int64(24 * time.Hour)))).Format(pick(g, []string{"2006-01-02T15:04:05-07:00", "2006-01-02T15:04:05.000-07:00"}))
	case "phone":
		return g.phone()
	}
	var a, b int
	if _, err := fmt.Sscanf(format, "decimal-%d-%d", &a, &b); err != nil {
		return ""
	}
	s := strconv.Itoa(g.between(1, 9)) + strings.Repeat("7", g.between(0, a-1))
	if b > 0 && g.chance(0.7) {
		s += "." + strings.Repeat("3", g.between(1, b))
	}
	return s
}

func (g *generator) phone() string {
	mobile := pick(g, []string{"154", "160", "163", "164", "168", "169", "179", "194"}) + fmt.Sprintf("%08d", g.IntN(100_000_000))
	return pick(g, []string{mobile, mobile, mobile, "0912-0000000", "12348", "（0912）0000000转801", mobile + "/12348", "+86 " + mobile})
}

// anything makes any value of at most the given nesting.
func (g *generator) anything(depth int) any {
	switch n := g.IntN(9); {
	case n == 0 && depth > 0:
		return map[string]any{g.runes(g.IntN(4)): g.anything(depth - 1), "k": g.anything(depth - 1)}
	case n == 1 && depth > 0:
		return []any{g.anything(depth - 1), g.anything(depth - 1)}
	case n == 2:
		return g.chance(0.5)
	case n == 3:
		return json.Number(pick(g, []string{"0", "-1", "12.50", "9007199254740993", "-0", "0.5"}))
	case n == 4:
		return nil
	}
	return pick(g, []string{"", "1", "01", "111", "暂无", "2026-11-22", "610802190001010017", g.runes(g.IntN(12))})
}

// style is one way of writing JSON.
type style struct {
	spaces  float64 // how often white space stands between tokens
	escapes float64 // how often a character is escaped that need not be
	sorted  bool
}

// write writes v without ever being wrong JSON.
func (g *generator) write(b *bytes.Buffer, v any, st style) {
	space := func() {
		if g.chance(st.spaces) {
			b.WriteString(pick(g, []string{" ", "\n", "\t", "\r\n", "  "}))
		}
	}
	space()
	switch v := v.(type) {
	case map[string]any:
		names := slices.Sorted(maps.Keys(v))
		if !st.sorted {
			g.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		}
		b.WriteByte('{')
		for i, name := range names {
			if i > 0 {
				b.WriteByte(',')
			}
			space()
			g.quote(b, name, style{})
			space()
			b.WriteByte(':')
			g.write(b, v[name], st)
		}
		space()
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			g.write(b, e, st)
		}
		space()
		b.WriteByte(']')
	case string:
		g.quote(b, v, st)
	default:
		fmt.Fprint(b, map[bool]any{false: v, true: "null"}[v == nil])
	}
	space()
}

func (g *generator) quote(b *bytes.Buffer, s string, st style) {
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < 0x20 || g.chance(st.escapes):
			if r > 0xffff {
				r -= 0x10000
				fmt.Fprintf(b, `\u%04x\u%04X`, 0xd800+r>>10, 0xdc00+r&0x3ff)
			} else {
				fmt.Fprintf(b, `\u%04x`, r)
			}
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
}

// splinters are what records break at.
var splinters = []string{
	`"`, `\`, `,`, `:`, `{`, `}`, `[`, `]`, ` `, "\n", "\x00", "\x1f", "\xff", "\xc3", "\xed\xa0\x80", "\xe4\xb8", "é", "法", "𠮷", `\u0000`, `\ud800`, `\udc00`, `\ud83d\ude00`,
	`\n`, `\/`, `\x`, `\u00e`, "null", "true", "false", "1e5", "-", "0", "01", "-0", "1.0", "12345678901234567", ".5", `""`, `{}`, `[]`, `,"a":1`, `"a":`, "1", "X", "暂无",
}

// mutate changes a few bytes of data, which it leaves as it is; other is a record to take pieces of.
func (g *generator) mutate(data, other []byte) []byte {
	for range 1 + g.IntN(2) {
		at := g.IntN(len(data) + 1)
		cut := min(len(data)-at, pick(g, []int{0, 0, 1, 1, 1, 2, 3, 8}))
		piece := []byte(pick(g, splinters))
		switch g.IntN(8) {
		case 6, 7: // a code, date or number becomes another
			for range data {
				if at = (at + 1) % len(data); data[at] >= '0' && data[at] <= '9' {
					break
				}
			}
			cut, piece = 1, []byte(strconv.Itoa(g.IntN(10)))
		case 0:
			from := g.IntN(len(other))
			piece = other[from:min(len(other), from+g.IntN(40))]
		case 1:
			piece = []byte{byte(g.IntN(256))}
		case 2:
			piece = []byte(strconv.Itoa(g.IntN(10)))
		case 3:
			piece = nil
		}
		data = slices.Concat(data[:at], piece, data[at+cut:])
		if len(data) == 0 {
			data = []byte("{}")
		}
	}
	return data
}

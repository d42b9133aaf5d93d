package packdoc

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"fayi/schemas"
)

// object is a schema, or a part of one, as encoding/json reads it with UseNumber.
type object = map[string]any

// stepWords name the steps of x-normalise.
var stepWords = map[string]string{"half-width": "全角改半角", "trim": "去掉首尾空白", "upper": "小写改大写", "absent": "占位文字当作没有填写"}

// limits says in words what a value of schema s may be, as exactly as the schema does. codes tells that the allowed values stand in a code
// table, which the reader is shown.
func limits(s, defs object, codes bool) string {
	s = resolve(s, defs)
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	typ, _ := s["type"].(string)
	switch {
	case typ == "boolean":
		add("是（true）或否（false）")
	case typ == "integer":
		add("整数")
	case typ == "number":
		add("数字")
	case typ == "object":
		add("对象")
	case typ == "array":
		add("数组")
	case codes || s["x-codes"] != nil:
		add("代码")
	}
	if v, ok := s["const"]; ok {
		add("固定为 %s", shown(v))
	}
	if list, ok := s["enum"].([]any); ok {
		add("只取 %s", anyOf(list, nil))
	}
	if name, _ := s["format"].(string); name != "" {
		parts = append(parts, formatWords(name))
	}
	if p, _ := s["pattern"].(string); p != "" {
		var n int
		if _, err := fmt.Sscanf(p, "^[0-9]{%d}$", &n); err == nil && p == fmt.Sprintf("^[0-9]{%d}$", n) {
			add("%d 位数字", n)
		} else {
			add("须符合 %s", p)
		}
	}
	if list, ok := s["x-normalise"].([]any); ok {
		words := make([]string, len(list))
		for i, step := range list {
			words[i] = stepWords[fmt.Sprint(step)]
		}
		add("入库时可改写（%s）", strings.Join(words, "、"))
	}
	low, high := s["minLength"], s["maxLength"]
	if typ == "string" && s["format"] != nil { // the format says more
		low, high = nil, nil
	}
	parts = span(parts, low, high, " 个字")
	parts = span(parts, s["minimum"], s["maximum"], "")
	parts = span(parts, s["minItems"], s["maxItems"], " 项")
	parts = span(parts, s["minProperties"], s["maxProperties"], " 个成员")
	if s["uniqueItems"] == true {
		add("各项不重复")
	}
	if items, ok := s["items"].(object); ok {
		if w := limits(items, defs, codes); w != "" {
			add("每项为%s", w)
		}
	}
	if other, ok := s["additionalProperties"].(object); typ == "object" && ok {
		add("可含表外成员，其值为%s", limits(other, defs, codes))
	} else if typ == "object" && s["additionalProperties"] != false {
		add("可含表外成员")
	}
	return strings.Join(parts, "，")
}

// resolve follows $ref, which a pack uses for $defs of the same file only.
func resolve(s, defs object) object {
	for range 32 { // the loader refuses longer chains by its own depth
		ref, ok := s["$ref"].(string)
		if !ok {
			return s
		}
		target, ok := defs[strings.TrimPrefix(ref, "#/$defs/")].(object)
		if !ok {
			return s
		}
		s = target
	}
	return s
}

// span adds the words for a lower and an upper bound.
func span(parts []string, low, high any, unit string) []string {
	switch {
	case low == nil && high == nil:
		return parts
	case high == nil:
		return append(parts, fmt.Sprintf("至少 %v%s", low, unit))
	case low == nil:
		return append(parts, fmt.Sprintf("至多 %v%s", high, unit))
	case fmt.Sprint(low) == fmt.Sprint(high):
		return append(parts, fmt.Sprintf("%v%s", low, unit))
	}
	return append(parts, fmt.Sprintf("%v 至 %v%s", low, high, unit))
}

// formatWords describes a national format, see package formats.
func formatWords(name string) string {
	if w, ok := formatTitles[name]; ok {
		return w
	}
	var a, b int
	if n, err := fmt.Sscanf(name, "decimal-%d-%d", &a, &b); err == nil && n == 2 {
		return fmt.Sprintf("写成文本的数字，整数部分至多 %d 位，小数至多 %d 位", a, b)
	}
	return "格式 " + name
}

var formatTitles = map[string]string{
	"id18": "18 位身份证号，含校验码", "uscc": "18 位统一社会信用代码，含校验码", "org-code": "9 位组织机构代码，含校验码",
	"division": "行政区划代码，6、9 或 12 位", "division-6": "6 位行政区划代码（县级及以上）", "division-9": "9 位行政区划代码（乡级）",
	"division-12": "12 位行政区划代码（村级）", "lawyer-licence": "17 位律师执业证号", "legal-qualification": "14 位法律职业资格证号",
	"court-case-no": "法院案号，如 （2026）陕0802民初123号",
	"date":          "日期，如 2026-01-31", "date-time": "时间，如 2026-01-31T09:30:00+08:00", "phone": "电话号码，一至三个",
	"caller-number": "电话号码，一至三个；未显示的填“号码隐藏”",
	"division-past": "行政区划代码，6、9 或 12 位，按记录日期判断是否有效", "division-past-6": "6 位行政区划代码（县级及以上），按记录日期判断是否有效",
	"division-past-9": "9 位行政区划代码（乡级），按记录日期判断是否有效", "division-past-12": "12 位行政区划代码（村级），按记录日期判断是否有效",
}

// shown writes a JSON value of a schema as a person would.
func shown(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		if v {
			return "是（true）"
		}
		return "否（false）"
	case json.Number:
		return v.String()
	}
	return compact(v)
}

// anyOf joins values, each with its name where a code table has one.
func anyOf(values []any, tables []*schemas.Table) string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = withName(v, tables)
	}
	if n := len(words); n > 1 {
		or := " 或 "
		if strings.HasSuffix(words[n-2], "）") {
			or = "或 "
		}
		return strings.Join(words[:n-1], "、") + or + words[n-1]
	}
	return strings.Join(words, "")
}

func withName(v any, tables []*schemas.Table) string {
	code := shown(v)
	for _, t := range tables {
		if i := slices.IndexFunc(t.Items, func(it schemas.Item) bool { return it.Code == code }); i >= 0 {
			return code + "（" + t.Items[i].Name + "）"
		}
	}
	return code
}

func compact(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // v came out of a JSON document
	}
	return string(data)
}

// typeWords begin what is said about a field where a pack gives no notation; most stand in its limits already.
var typeWords = map[string]string{"string": "文本", "integer": "整数", "number": "数字", "boolean": "是", "array": "数组", "object": "对象"}

// Words for roles and audiences (protocol §1, §7).
var (
	roleWords = []struct{ role, title string }{
		{"ministry", "部级节点"}, {"province", "省级节点"}, {"city", "市级节点"}, {"county", "县级节点"},
	}
	audienceWords = map[string]string{
		"upstream": "本节点的各级上级", "downstream": "本节点的各级下级", "public": "目录中的所有节点",
		"test": "开启测试的节点，不进入业务", "to-{origin}": "所答复的那个节点",
	}
)

// legend explains a column of the tables of fields.
type legend struct {
	Title string
	Terms []term
}

type term struct{ Term, Words string }

// legends stand on every page with fields. Marks and notation are those of the study behind the national pack; other packs use the same ones
// (doc.go of package schemas).
var legends = []legend{
	{"要求", []term{
		{"必填", "缺少即拒收"}, {"应填", "计入完整率，缺少不拒收"}, {"选填", "可以没有；没有值时不要写出该字段"},
	}},
	{"敏感等级", []term{
		{schemas.Public, "可以向社会公布"}, {schemas.Internal, "只在有权节点之间使用"}, {schemas.Sensitive, "在日志、列表和提示中遮盖；示例一律虚构"},
	}},
	{"来源标记（字段 / 长度 / 是否必填）", []term{
		{"STD", "标准原文所定"}, {"STD*", "国家标准的内容，依公开转载，未见原文"}, {"SRC", "公开来源中的实际系统所用；冒号后为来源编号"},
		{"INFER", "推断，未见来源，不得当作标准"}, {"PROTOCOL", "交换协议所定"}, {"–", "规范包未注明"},
	}},
	{"类型记法（长度按字计，不按字节）", []term{
		{"c18", "固定 18 个字"}, {"c1..100", "1 至 100 个字"}, {"c..100", "至多 100 个字"}, {"n6", "6 位数字，按文本填写，保留前导零"}, {"n..9", "至多 9 位的整数"},
		{"n..10,2", "整数至多 10 位、小数至多 2 位，写成文本"}, {"d", "日期"}, {"dt", "带时区的时间"}, {"b", "是否"}, {"arr", "数组"}, {"object", "对象"},
	}},
}

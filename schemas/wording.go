package schemas

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"fayi/schemas/formats"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// Rules for every sentence a clerk reads: name the field by its Chinese title in 「」, say what is wrong before what is right, say what to do
// in the hint; no technical term where a plain one exists; never the value of a sensitive field.

// wording makes one fault out of what is known about the place where it was found.
type wording struct {
	node   *node // the field, made up for an unknown one
	parent *node
	name   string // last step of the pointer
	index  int    // 1-based element of an array, 0 outside
	value  any
	why    why
}

func (w wording) title() string {
	t := w.node.Title
	if t == "" {
		t = w.name
	}
	if w.index > 0 && w.node.Name == "" {
		return fmt.Sprintf("「%s」第%d项", t, w.index)
	}
	return "「" + t + "」"
}

func (w wording) nameEN() string {
	n := w.node.Name
	if n == "" && w.parent != nil {
		n = w.parent.Name
	}
	if w.index > 0 && w.node.Name == "" {
		return n + " item " + strconv.Itoa(w.index)
	}
	return n
}

// fault words the defect. Its pointer is left to the caller.
func (w wording) fault(k jsonschema.ErrorKind) Fault {
	f := Fault{Title: w.node.Title}
	if s, ok := w.value.(string); ok || scalar(w.value) {
		if !ok {
			s = fmt.Sprint(w.value)
		}
		f.Value = shown(s, w.node.Sensitivity)
	}
	switch k := k.(type) {
	case *kind.Required:
		f.Code, f.Value = CodeRequired, ""
		f.Message, f.MessageEN = "缺少必填项"+w.title(), w.nameEN()+" is required"
		if w.why.condition {
			f.Message, f.MessageEN = w.why.zh+"时，必须填写"+w.title(), w.nameEN()+" is required when "+w.why.en
		}
		f.Hint = "请补填后重新提交" + w.shape()
	case *kind.AdditionalProperties:
		f.Code, f.Value = CodeUnknownField, ""
		f.Message, f.MessageEN = "没有名为“"+clip(w.name)+"”的字段", "there is no field "+strconv.Quote(clip(w.name))
		f.Hint = "请删去该字段，或按字段表改正字段名"
		if near := nearest(w.name, w.parent.names); near != "" {
			f.Hint = fmt.Sprintf("是否应为 %s（%s）？", near, w.parent.children[near].Title)
			f.MessageEN += ", perhaps " + near + " is meant"
		}
	case *kind.Type:
		w.typeFault(&f, k)
	case *kind.Enum:
		w.codeFault(&f, k)
	case *kind.Const:
		w.ruleFault(&f, "不是规定的值", "is not the value laid down")
	case *kind.Format:
		w.formatFault(&f, k)
	case *kind.Pattern:
		f.Code = CodePattern
		zh, en := patternWords(k.Want)
		f.Message, f.MessageEN, f.Hint = w.title()+zh, w.nameEN()+" "+en, "请核对后按要求填写"
		w.explain(&f)
	case *kind.MinLength:
		f.Code = CodeLength
		f.Message, f.MessageEN = fmt.Sprintf("%s至少%d个字，实有%d个", w.title(), k.Want, k.Got), fmt.Sprintf("%s must have at least %d characters, has %d", w.nameEN(), k.Want, k.Got)
		f.Hint = "请补充完整"
		if k.Got == 0 {
			f.Message, f.MessageEN, f.Hint = w.title()+"不能为空", w.nameEN()+" must not be empty", "请填写内容"
		}
	case *kind.MaxLength:
		f.Code = CodeLength
		f.Message, f.MessageEN = fmt.Sprintf("%s最多%d个字，实有%d个", w.title(), k.Want, k.Got), fmt.Sprintf("%s must have at most %d characters, has %d", w.nameEN(), k.Want, k.Got)
		f.Hint = fmt.Sprintf("请删减%d个字，或将全文作为附件", k.Got-k.Want)
	case *kind.Minimum:
		w.rangeFault(&f, "不能小于"+whole(k.Want), "must not be less than "+whole(k.Want))
	case *kind.Maximum:
		w.rangeFault(&f, "不能大于"+whole(k.Want), "must not be greater than "+whole(k.Want))
	case *kind.MinItems:
		w.rangeFault(&f, fmt.Sprintf("至少要有%d项，实有%d项", k.Want, k.Got), fmt.Sprintf("must have at least %d items, has %d", k.Want, k.Got))
	case *kind.MaxItems:
		w.rangeFault(&f, fmt.Sprintf("最多%d项，实有%d项", k.Want, k.Got), fmt.Sprintf("must have at most %d items, has %d", k.Want, k.Got))
	case *kind.MinProperties:
		w.rangeFault(&f, fmt.Sprintf("至少要有%d个成员", k.Want), fmt.Sprintf("must have at least %d members", k.Want))
	case *kind.MaxProperties:
		w.rangeFault(&f, fmt.Sprintf("最多%d个成员，实有%d个", k.Want, k.Got), fmt.Sprintf("must have at most %d members, has %d", k.Want, k.Got))
	case *kind.UniqueItems:
		w.ruleFault(&f, fmt.Sprintf("第%d项与第%d项重复", k.Duplicates[0]+1, k.Duplicates[1]+1), fmt.Sprintf("has equal items %d and %d", k.Duplicates[0]+1, k.Duplicates[1]+1))
	default: // contains, not, anyOf, oneOf: the pack's own message says what is wrong
		w.ruleFault(&f, "不符合记录规则", "breaks a rule of the record type")
	}
	return f
}

func (w wording) typeFault(f *Fault, k *kind.Type) {
	f.Code = CodeType
	gotZH, gotEN := jsonKind(w.value)
	want := strings.Join(k.Want, ",")
	zh, en, hint := "对象", "an object", "请按字段表组成对象"
	switch want {
	case "string":
		zh, en, hint = "文本", "a text", "请给值加上英文双引号"
		if _, ok := w.value.(json.Number); ok && w.node.Sensitivity != Sensitive {
			hint += "，写成 \"" + f.Value + "\""
		}
	case "integer":
		zh, en, hint = "整数", "an integer", "请填写整数，不加引号、单位和小数"
		if gotZH == "数字" {
			gotZH, gotEN = "小数", "not whole"
		}
	case "boolean":
		zh, en, hint = "是否值（true或false）", "true or false", "是填true，否填false，不加引号"
	case "array":
		zh, en, hint = "数组", "an array", "请用方括号，只有一项也要写成数组"
	}
	f.Message, f.MessageEN, f.Hint = w.title()+"应为"+zh+"，实为"+gotZH, w.nameEN()+" must be "+en+", is "+gotEN, hint
	if w.value == nil {
		f.Message, f.MessageEN, f.Value = w.title()+"的值是空值null", w.nameEN()+" is null", ""
		f.Hint = "没有值时请不要写出该字段；必填项请补填"
	}
	w.explain(f)
}

func (w wording) formatFault(f *Fault, k *kind.Format) {
	f.Code = CodeFormat
	zh, en := "格式不正确", "is malformed"
	var why *formats.Error
	if errors.As(k.Err, &why) {
		zh, en = why.ZH, why.EN
	}
	f.Message, f.MessageEN = w.title()+zh, w.nameEN()+": "+en
	if w.why.condition {
		f.Message, f.MessageEN = w.why.zh+"时，"+f.Message, f.MessageEN+" (when "+w.why.en+")"
	}
	f.Hint = formatHint(k.Want)
	w.explain(f)
}

// explain says what a value is that was never meant as one: a placeholder, mojibake, full-width digits.
func (w wording) explain(f *Fault) {
	s, ok := w.value.(string)
	if !ok {
		return
	}
	odd := formats.Suspect(s)
	if odd == nil {
		return
	}
	f.Message, f.MessageEN = w.title()+"的"+odd.ZH, w.nameEN()+": "+odd.EN
	f.Hint = oddHint(odd, w.node)
}

func oddHint(odd *formats.Error, n *node) string {
	switch odd {
	case formats.Mojibake:
		return "请从源系统按正确的字符集（UTF-8）重新导出"
	case formats.PrivateUse:
		return "请改用国家标准（GB 18030）收录的字；确无此字的，可先用同音字加注"
	case formats.FullWidth:
		return "请改为半角后重新提交"
	case formats.Invisible:
		return "请删去这些字符后重新提交"
	}
	if n.Required {
		return "该项必填，请填写真实内容"
	}
	return "没有值时请不要写出该字段"
}

func (w wording) codeFault(f *Fault, k *kind.Enum) {
	f.Code = CodeCode
	tables := w.node.Tables
	if len(tables) == 0 { // a list of the schema's own
		f.Message, f.MessageEN, f.Hint = w.title()+"不在允许的取值之内", w.nameEN()+" is not one of the values allowed", "请核对后改正"
		return
	}
	var titles []string
	var items []Item
	for _, t := range tables {
		titles = append(titles, "《"+t.Title+"》")
		items = append(items, t.Items...)
	}
	quoted := ""
	if f.Value != "" && w.node.Sensitivity != Sensitive {
		quoted = "“" + f.Value + "”"
	}
	f.Message = w.title() + "的代码" + quoted + "不在代码表" + strings.Join(titles, "、") + "中"
	f.MessageEN = w.nameEN() + " is not a code of " + tableNames(tables)
	s, _ := w.value.(string)
	if w.node.Sensitivity == Sensitive {
		s = "" // what is like the value says something about it
	}
	if it, ok := byName(s, items); ok {
		f.Hint = fmt.Sprintf("填的是名称，应填代码 %s（%s）", it.Code, it.Name)
		return
	}
	w.explain(f)
	f.Hint = "可用代码：" + listCodes(s, items)
}

func (w wording) rangeFault(f *Fault, zh, en string) {
	f.Code, f.Message, f.MessageEN, f.Hint = CodeRange, w.title()+zh, w.nameEN()+" "+en, "请核对后改正"
}

func (w wording) ruleFault(f *Fault, zh, en string) {
	f.Code, f.Message, f.MessageEN, f.Hint = CodeRule, w.title()+zh, w.nameEN()+" "+en, "请核对相关字段"
	if w.why.zh != "" && !w.why.condition {
		f.Message, f.MessageEN = w.title()+"："+w.why.zh, w.nameEN()+": "+w.why.en
	}
}

// shape adds to a hint how the missing field is to be filled.
func (w wording) shape() string {
	switch {
	case len(w.node.Tables) > 0:
		return "，填写代码表" + "《" + w.node.Tables[0].Title + "》中的代码"
	case w.node.Format == "date":
		return "，如 2026-01-31"
	case w.node.Format == "date-time":
		return "，如 2026-01-31T09:30:00+08:00"
	case w.node.JSONType == "boolean":
		return "，填 true 或 false"
	}
	return ""
}

func formatHint(format string) string {
	switch format {
	case "id18":
		return "请对照证件原件逐位核对，末位字母X用大写"
	case "uscc", "org-code":
		return "请对照登记证书逐位核对，注意0与O、1与I"
	case "lawyer-licence", "legal-qualification":
		return "请对照证书原件逐位核对"
	case "division", "division-6", "division-9", "division-12":
		return "请按最新行政区划代码填写"
	case "division-past", "division-past-6", "division-past-9", "division-past-12":
		return "请按当时的行政区划代码填写"
	case "caller-number":
		return "请填写手机号、带区号的固定电话或服务短号；来电未显示号码的，填“" + formats.Hidden + "”"
	case "court-case-no":
		return "请对照法院文书填写，如 （2026）陕0802民初123号"
	case "date":
		return "请填写真实日期，如 2026-01-31；没有则不要写出该字段"
	case "date-time":
		return "请填写如 2026-01-31T09:30:00+08:00 的时间"
	case "phone":
		return "请填写手机号、带区号的固定电话或服务短号；没有则不要写出该字段"
	}
	return "请填写数字并加引号，如 \"1234.50\""
}

// patternWords reads the one shape of pattern that packs use for fixed digits; others are described as such.
func patternWords(p string) (zh, en string) {
	var n int
	if _, err := fmt.Sscanf(p, "^[0-9]{%d}$", &n); err == nil && p == fmt.Sprintf("^[0-9]{%d}$", n) {
		return fmt.Sprintf("应为%d位数字", n), fmt.Sprintf("must be %d digits", n)
	}
	return "的写法不符合规定", "is not written as required"
}

func whole(r *big.Rat) string { return strings.TrimSuffix(r.FloatString(0), ".") }

func scalar(v any) bool {
	switch v.(type) {
	case bool, json.Number:
		return true
	}
	return false
}

func tableNames(tables []*Table) string {
	var names []string
	for _, t := range tables {
		names = append(names, t.Name)
	}
	return strings.Join(names, ", ")
}

package machine

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"fayi/adapters/hotline/ticket"
	"fayi/schemas"
)

//go:embed needs.txt
var needsText string

//go:embed returns.txt
var returnsText string

// Reason is one row of the return reasons.
type Reason struct {
	Code  string
	Carry []string
	When  string // C4, any, once
	Again string // no, new_info, yes, arbitrate
}

var (
	needs   = parseNeeds(needsText)
	reasons = parseReasons(returnsText)
)

func rows(text string, columns int) (out [][]string) {
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != columns {
			panic("machine: bad row " + line)
		}
		out = append(out, f)
	}
	return out
}

func parseNeeds(text string) map[ticket.Verb][]string {
	m := map[ticket.Verb][]string{}
	for _, f := range rows(text, 2) {
		m[ticket.Verb(f[0])] = strings.Split(f[1], ",")
	}
	return m
}

func parseReasons(text string) map[string]Reason {
	m := map[string]Reason{}
	for _, f := range rows(text, 4) {
		r := Reason{Code: f[0], When: f[2], Again: f[3]}
		if f[1] != "-" {
			r.Carry = strings.Split(f[1], ",")
		}
		m[f[0]] = r
	}
	return m
}

// ReturnReason is the row of a reason code.
func ReturnReason(code string) (Reason, bool) { r, ok := reasons[code]; return r, ok }

// titles of payload members, as people call them.
var titles = map[string]string{
	"text": "说明", "basis": "依据", "number": "对方工单号", "unit": "单位", "person": "经办人", "addressee": "向谁要求补充", "attachments": "附件",
	"days": "延期天数", "until": "截止日期", "result": "办理结果", "publicReply": "公开答复", "contacts": "联系记录", "contacts2": "两次以上联系记录",
	"satisfaction": "满意度", "party": "接收方", "earlierNo": "原工单号", "fields": "更正内容", "division": "正确的区划代码", "procedure": "法定程序",
	"units": "涉及单位", "reason": "原因",
}

// Check tells everything an act lacks. An empty list is a complete act; whether it is possible now is [Next]'s part.
func Check(v ticket.Verb, p ticket.Payload) schemas.Faults {
	want := slices.Clone(needs[v])
	var faults schemas.Faults
	for i, n := range want {
		if list, ok := strings.CutPrefix(n, "list:"); ok {
			want[i] = "reason"
			if p.Reason != "" && !ticket.Known(list, p.Reason) {
				faults = append(faults, Fault("CODE", "/payload/reason", "reason",
					fmt.Sprintf("原因代码 %q 不在表中", p.Reason), fmt.Sprintf("reason %q is not in list %s", p.Reason, list)))
			}
		}
	}
	if v == "return_request" {
		want = append(want, reasons[p.Reason].Carry...)
	}
	if v == "result" {
		switch p.Result {
		case "REFUSED", "INFORMED":
			want = append(want, "basis")
		case "UNSOLVED":
			want = append(want, "reason")
		case "INVALID":
			want = append(want, "contacts2")
		}
		if p.Result != "" && !ticket.Known("result", p.Result) {
			faults = append(faults, Fault("CODE", "/payload/result", "result", fmt.Sprintf("办理结果 %q 不在表中", p.Result), fmt.Sprintf("result %q unknown", p.Result)))
		}
	}
	for _, n := range want {
		if !slices.ContainsFunc(strings.Split(n, "|"), func(m string) bool { return has(p, m) }) {
			first, _, _ := strings.Cut(n, "|")
			faults = append(faults, Fault("REQUIRED", "/payload/"+strings.TrimSuffix(first, "2"), first,
				ticket.Label("verb", string(v))+"缺少"+names(n), string(v)+" lacks "+n))
		}
	}
	return faults
}

func names(alternatives string) string {
	var out []string
	for n := range strings.SplitSeq(alternatives, "|") {
		out = append(out, titles[n])
	}
	return strings.Join(out, "或")
}

// Fault makes a fault of an act.
func Fault(code, pointer, member, zh, en string) schemas.Fault {
	return schemas.Fault{Code: code, Pointer: pointer, Title: titles[member], Message: zh, MessageEN: en}
}

func has(p ticket.Payload, member string) bool {
	switch member {
	case "contacts":
		return len(p.Contacts) > 0
	case "contacts2":
		return len(p.Contacts) > 1
	case "attachments":
		return len(p.Attachments) > 0
	case "units":
		return len(p.Units) > 1
	case "fields":
		return len(p.Fields) > 0
	case "satisfaction":
		return p.Satisfaction != nil
	case "days":
		return p.Days > 0
	}
	text := map[string]string{"text": p.Text, "basis": p.Basis, "number": p.Number, "unit": p.Unit, "person": p.Person, "addressee": p.Addressee,
		"until": p.Until, "result": p.Result, "publicReply": p.PublicReply, "party": p.Party, "earlierNo": p.EarlierNo, "division": p.Division,
		"procedure": p.Procedure, "reason": p.Reason}
	return strings.TrimSpace(text[member]) != ""
}

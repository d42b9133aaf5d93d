package demodata

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// draft is a good record about to be spoilt.
type draft struct {
	rec  Record
	obj  *object
	rng  *random
	data []byte // the payload where it is no longer what obj says; nil otherwise
}

// defect is one way in which real records are wrong. Each type has at most one place for it.
type defect struct {
	code, why string
	on        map[string]func(*draft) (pointer string) // by record type
}

// defects is the list, in the order in which they appear first.
var defects = []defect{
	{"FORMAT", "身份证号最后一位录入错误，校验码不符", map[string]func(*draft) string{
		"law_firm": wrongCheckDigit("directorIdCard"), "lawyer": wrongCheckDigit("idCard"), "hotline_ticket": wrongCheckDigit("idCard"),
		"mediation_committee": wrongCheckDigit("directorIdCard"), "legal_aid_case": wrongCheckDigit("certNo"),
	}},
	{"CODE", "代码表里没有这个代码，原系统自行增加后未上报", map[string]func(*draft) string{
		"law_firm": put("orgForm", `"7"`), "lawyer": put("practiceStatus", `"8"`), "legal_aid_institution": put("nature", `"5"`),
		"legal_aid_case": put("legalRole", `"66"`), "mediation_committee": put("type", `"0"`), "consultation": put("channel", `"7"`),
		"service_venue": put("host", `"8"`), "hotline_ticket": put("urgency", `"4"`),
	}},
	{"REQUIRED", "导出时漏掉了必填项", map[string]func(*draft) string{
		"law_firm": missing("name"), "lawyer": missing("name"), "legal_aid_institution": missing("name"), "legal_aid_case": missing("caseSummary"),
		"mediation_committee": missing("name"), "consultation": missing("content"), "service_venue": missing("name"), "hotline_ticket": missing("callerPhone"),
	}},
	{"FORMAT", "电话栏填了“暂无”，应当留空或填真实号码", map[string]func(*draft) string{
		"law_firm": put("phone", `"暂无"`), "lawyer": put("phone", `"暂无"`), "legal_aid_institution": put("phone", `"暂无"`),
		"legal_aid_case": put("phone", `"暂无"`), "mediation_committee": put("phone", `"暂无"`), "consultation": put("phone", `"暂无"`),
		"service_venue": put("phone", `"暂无"`), "hotline_ticket": put("callerPhone", `"暂无"`),
	}},
	{"UNKNOWN_FIELD", "字段名拼写错误或是本地自加字段", map[string]func(*draft) string{
		"law_firm": extra("tel", `"12348"`), "lawyer": extra("deducation", `"21"`), "legal_aid_institution": extra("adress", `"司法局一楼"`),
		"legal_aid_case": extra("case_remark", `"补录"`), "mediation_committee": extra("orgId", `1024`), "consultation": extra("userName", `"窗口1"`),
		"service_venue": extra("lng", `"109.7"`), "hotline_ticket": extra("isDelete", `0`),
	}},
	{"TYPE", "类型不对：把数字写成了文字，或把是否写成了文字", map[string]func(*draft) string{
		"law_firm": put("lawyerCount", `"12人"`), "lawyer": put("isAidLawyer", `"是"`), "legal_aid_institution": put("teamSize", `"6"`),
		"legal_aid_case": put("isTypical", `"否"`), "mediation_committee": put("mediatorNum", `"5"`), "consultation": put("isPublic", `0`),
		"service_venue": put("staffNum", `"3人"`), "hotline_ticket": put("talkSeconds", `"185"`),
	}},
	{"FORMAT", "日期不存在，当月没有这一天", map[string]func(*draft) string{
		"law_firm": put("licenceDate", `"2018-02-29"`), "lawyer": put("certDate", `"2019-02-29"`), "legal_aid_case": put("applyDate", `"2026-02-30"`),
		"mediation_committee": put("setupDate", `"2021-06-31"`), "consultation": put("consultTime", `"2026-06-31T09:20:00+08:00"`),
		"service_venue": put("openDate", `"2022-11-31"`), "hotline_ticket": put("callTime", `"2026-09-31T15:04:05+08:00"`),
	}},
	{"LENGTH", "内容超长，原系统没有限制字数", map[string]func(*draft) string{
		"law_firm": long("approvalNumber", 30), "lawyer": long("introduction", 2000), "legal_aid_institution": long("introduction", 500),
		"legal_aid_case": long("caseSummary", 250), "mediation_committee": long("setupPlace", 64), "consultation": long("title", 100),
		"service_venue": long("openTime", 100), "hotline_ticket": long("title", 64),
	}},
	{"FORMAT", "统一社会信用代码把数字1录成了字母I", map[string]func(*draft) string{
		"law_firm": letterI("creditCode", true), "lawyer": letterI("firmCreditCode", false),
		"legal_aid_institution": letterI("orgCode", true), "legal_aid_case": letterI("orgCode", false),
	}},
	{"KEY_MISMATCH", "记录键填了数据库自增号，与数据里的业务编号不一致", map[string]func(*draft) string{
		"law_firm": otherKey("creditCode"), "lawyer": otherKey("licenseNo"), "legal_aid_institution": otherKey("orgCode"), "legal_aid_case": otherKey("caseNo"),
		"mediation_committee": otherKey("code"), "consultation": otherKey("consultNo"), "service_venue": otherKey("venueCode"), "hotline_ticket": otherKey("ticketNo"),
	}},
	{"JSON", "报文不是合法JSON：被截断、多写逗号或文字里有未转义的换行", everyType(malformed)},
	{"DUPLICATE_MEMBER", "同一字段出现两次，拼接报文时重复写入", everyType(twice)},
	{"UNKNOWN_TYPE", "记录类型写成了本地表名，交换目录中没有", everyType(localTable)},
}

func everyType(spoil func(*draft) string) map[string]func(*draft) string {
	out := map[string]func(*draft) string{}
	for _, t := range []string{"law_firm", "lawyer", "legal_aid_institution", "legal_aid_case", "mediation_committee", "consultation",
		"service_venue", "hotline_ticket"} {
		out[t] = spoil
	}
	return out
}

// put replaces a member's value, which every record of the type has.
func put(member, value string) func(*draft) string {
	return func(d *draft) string {
		d.obj.set(member, value)
		return "/" + member
	}
}

func missing(member string) func(*draft) string {
	return func(d *draft) string {
		d.obj.drop(member)
		return "/" + member
	}
}

func extra(member, value string) func(*draft) string {
	return func(d *draft) string {
		d.obj.raw(member, value)
		return "/" + member
	}
}

// wrongCheckDigit changes the last character of an identity number to another digit.
func wrongCheckDigit(member string) func(*draft) string {
	return func(d *draft) string {
		id := strings.Trim(d.obj.value(member), `"`)
		wrong := "0"
		if strings.HasSuffix(id, "0") {
			wrong = "1"
		}
		d.obj.set(member, `"`+id[:17]+wrong+`"`)
		return "/" + member
	}
}

// letterI replaces the first 1 of a credit code, which is in its division, by I. Where the code is the record's key, the key follows.
func letterI(member string, isKey bool) func(*draft) string {
	return func(d *draft) string {
		code := strings.Trim(d.obj.value(member), `"`)
		code = code[:2] + strings.Replace(code[2:], "1", "I", 1)
		d.obj.set(member, `"`+code+`"`)
		if isKey {
			d.rec.Key = code
		}
		return "/" + member
	}
}

// long repeats the text until it has more than limit characters.
func long(member string, limit int) func(*draft) string {
	return func(d *draft) string {
		text := strings.Trim(d.obj.value(member), `"`)
		times := limit/utf8.RuneCountInString(text) + 1
		d.obj.set(member, `"`+strings.Repeat(text, times)+`（以下略）"`)
		return "/" + member
	}
}

// otherKey keeps the data and gives the record a row number as its key.
func otherKey(member string) func(*draft) string {
	return func(d *draft) string {
		d.rec.Key = digits(uint64(d.rng.below(9000000)+1000000), 7)
		return "/" + member
	}
}

// malformed makes the payload something no JSON parser takes.
func malformed(d *draft) string {
	good := d.obj.bytes()
	switch d.rng.below(3) {
	case 0: // a column that was too short
		cut := len(good) / 3 * 2
		for !utf8.RuneStart(good[cut]) {
			cut--
		}
		d.data = good[:cut]
	case 1: // a comma before the closing brace
		d.data = append(good[:len(good)-1], ',', '}')
	default: // a line break inside a text
		at := bytes.LastIndexByte(good[:len(good)-2], '"')
		d.data = append(append(bytes.Clone(good[:at+1]), '\n'), good[at+1:]...)
	}
	return ""
}

// twice writes the second member again at the end.
func twice(d *draft) string {
	m := d.obj.at[1]
	d.obj.raw(m.name, string(d.obj.buf[m.from:m.to]))
	return "/" + m.name
}

// localTable names the bureau's own table instead of the record type.
func localTable(d *draft) string {
	d.rec.Type = "t_" + d.rec.Type
	return ""
}

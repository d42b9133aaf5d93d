package main

// Everything here is a decision of this project, not a line of the tables.

const (
	maxItems   = 50 // elements of an array
	maxMembers = 32 // members of an object whose members no source names
)

const (
	public    = "公开"
	internal  = "内部"
	sensitive = "敏感个人信息"
)

// plan is what a record type needs beyond its table.
type plan struct {
	name, en   string
	urgent     bool                // has its own sealing round and connection (design §5)
	essential  []string            // required although only inferred: key, name or content, state, defining date
	class      string              // sensitivity of fields not named in classes
	classes    map[string][]string // sensitivity → fields
	audience   object              // role of the publishing node → audience (protocol §1)
	conditions []object            // allOf branches
}

// Reports go up; registers kept above also go down to the nodes that look things up in them.
var (
	reports   = object{{"county", "upstream"}, {"city", "upstream"}, {"province", "upstream"}, {"ministry", "downstream"}}
	registers = object{{"county", "upstream"}, {"city", "upstream"}, {"province", "downstream"}, {"ministry", "downstream"}}
	everybody = object{{"county", "public"}, {"city", "public"}, {"province", "public"}, {"ministry", "public"}}
)

var plans = []plan{
	{
		name: "law_firm", en: "law firm", essential: []string{"creditCode", "name", "status"}, audience: registers,
		class: public, classes: map[string][]string{sensitive: {"directorIdCard"}, internal: {"lawyerCount", "practiceNum", "pluralizeNum", "premises"}},
	},
	{
		name: "lawyer", en: "lawyer", essential: []string{"licenseNo", "name", "practiceStatus"}, audience: registers,
		class: public, classes: map[string][]string{
			sensitive: {"idCard", "birthday", "phone", "email"},
			internal:  {"ethnic", "education", "political", "licenseSerial", "qualCertNo", "qualCertType", "isBilingual"},
		},
	},
	{
		name: "legal_aid_institution", en: "legal aid institution", essential: []string{"orgCode", "name"}, audience: registers,
		class: public, classes: map[string][]string{internal: {"teamSize", "lawyerNum", "staffQuota"}},
	},
	{
		name: "legal_aid_case", en: "legal aid case", essential: []string{"caseNo", "phase", "applyDate"}, audience: reports,
		class: internal, classes: map[string][]string{sensitive: {
			"applicantName", "gender", "birthday", "ethnic", "nationality", "certType", "certNo", "phone", "householdAddr", "residenceAddr",
			"mailAddr", "education", "workUnit", "crowd", "isPoor", "exemptReason", "agentName", "agentPhone", "agentIdCard", "caseSummary",
			"custody", "custodyPlace", "prisonPlace", "coApplicants", "caseHappenPlace", "officerPhone", "undertakerPhone", "summary",
			"reviewOpinion", "approveOpinion",
		}},
		conditions: aidConditions,
	},
	{
		name: "mediation_committee", en: "people's mediation committee", essential: []string{"code", "name"}, audience: registers,
		class: public, classes: map[string][]string{sensitive: {"directorIdCard"}},
	},
	{
		name: "consultation", en: "legal consultation", essential: []string{"consultNo", "content", "consultTime", "state"}, audience: reports,
		class: internal, classes: map[string][]string{sensitive: {
			"content", "title", "name", "gender", "certType", "certNo", "phone", "birthday", "crowd", "education", "answer", "followUps",
		}},
	},
	{
		name: "service_venue", en: "public legal service venue", essential: []string{"venueCode", "name", "status"}, audience: registers,
		class: public, classes: map[string][]string{internal: {"staffNum", "lawyerNum"}}, conditions: venueConditions,
	},
	{
		name: "hotline_ticket", en: "12348 hotline ticket", urgent: true, essential: []string{"ticketNo", "callTime", "content", "state"}, audience: reports,
		class: internal, classes: map[string][]string{sensitive: {
			"callerPhone", "callerName", "gender", "ethnic", "birthday", "idCard", "callerTown", "crowd", "title", "content", "recordUrl",
			"answer", "handleResult",
		}},
	},
}

// when builds a branch: under the condition that the field has one of the values, the others are required. The sentences finish
// "…时，必须填写" and "must be given when …".
func when(zh, en, name string, values []any, required ...string) object {
	return branch(zh, en, name, values, object{{"required", required}})
}

func branch(zh, en, name string, values []any, then object) object {
	return object{{"x-when", zh}, {"x-when-en", en},
		{"if", object{{"properties", object{{name, object{{"enum", values}}}}}, {"required", []string{name}}}}, {"then", then}}
}

func v(values ...any) []any { return values }

var aidConditions = []object{
	when("法律援助类型为通知类或商请类", "nature is 1 (notice) or 3 (request)", "nature", v("1", "3"), "noticeReason", "noticeOrgName", "noticeNo"),
	when("申请渠道为转交申请", "applyChannel is 3 (transferred)", "applyChannel", v("3"), "transferOrgType"),
	when("文书送达方式为邮寄", "deliverWay is YJ (by post)", "deliverWay", v("YJ"), "mailAddr"),
	when("曾申请过法律援助", "appliedBefore is true", "appliedBefore", v(true), "lastApplyPlace", "lastApplyDate"),
	when("由代理人申请", "hasAgent is true", "hasAgent", v(true), "agentName", "agentPhone", "agentIdCard", "agentType"),
	when("案件类别为刑事", "caseType is 01 (criminal)", "caseType", v("01"), "custody"),
	when("羁押状态为在押", "custody is 1 (detained)", "custody", v("1"), "custodyPlace"),
	when("羁押状态为服刑", "custody is 3 (serving a sentence)", "custody", v("3"), "prisonPlace"),
	when("审批决定为不予援助", "decision is 2 (refused)", "decision", v("2"), "rejectReason"),
	branch("证件类型为居民身份证", "certType is 111 (identity card)", "certType", v("111"),
		object{{"properties", object{{"certNo", object{{"format", "id18"}}}}}}),
}

var venueConditions = []object{
	contains("01", "法律援助", "legal aid"), contains("02", "人民调解", "mediation"), contains("03", "法律咨询", "consultation"),
}

// contains builds a branch that wants a code among the venue's functions: 19号文 makes the first three obligatory.
func contains(code, zh, en string) object {
	return object{{"x-message", "实体平台必须具备" + zh + "功能（代码" + code + "，19号文）"},
		{"x-message-en", "a venue must offer " + en + " (code " + code + ", document 19)"},
		{"properties", object{{"functions", object{{"contains", object{{"const", code}}}}}}}}
}

// references names the types whose key a field holds. Where a field may refer to several types, all are named, also those that are not in
// the pack yet: a reference is only reported missing when every type it may point to is known.
var references = map[string][]string{
	"lawyer.firmCreditCode":           {"law_firm"},
	"legal_aid_case.orgCode":          {"legal_aid_institution"},
	"legal_aid_case.undertakeOrgCode": {"law_firm", "legal_aid_institution", "legal_worker_office"},
	"legal_aid_case.undertakerLicense": {
		"lawyer", "legal_worker",
	},
	"consultation.aidCaseNo":       {"legal_aid_case"},
	"consultation.venueCode":       {"service_venue"},
	"consultation.answererLicense": {"lawyer", "legal_worker", "notary"},
}

// formats holds the formats that the rule column does not name.
var formats = map[string]string{
	"legal_aid_case.orgCode":     "uscc",
	"service_venue.divisionCode": "division",
}

// freeText lists fields whose code table is only advice: the source's column is too long for one code.
var freeText = []string{"law_firm.businessSpecial"}

// tableOf names tables for fields that spell their codes in the rule column, and takes none for plain text.
var tableOf = map[string][]string{
	"legal_aid_case.deliverWay":   {"aid_deliver_way"},
	"legal_aid_case.decision":     {"aid_decision"},
	"legal_aid_case.involveCount": {"aid_involve"},
	"service_venue.status":        {"venue_status"},
}

var inlineTables = map[string]table{
	"aid_deliver_way": {ZH: "文书送达方式", EN: "service of documents", LabelMark: "[INFER]", CodeMark: "[SRC]", Source: "S4; code letters seen, meanings inferred",
		Items: []item{{Code: "ZQ", Name: "自取", EN: "collected"}, {Code: "YJ", Name: "邮寄", EN: "by post"}}},
	"aid_decision": {ZH: "法律援助审批决定", EN: "decision on legal aid", LabelMark: "[STD]", CodeMark: "[INFER]", Source: "SF/T 0024-2017 contents 8.9, 8.10",
		Items: []item{{Code: "1", Name: "给予法律援助", EN: "granted"}, {Code: "2", Name: "不予法律援助", EN: "refused"}}},
	"aid_involve": {ZH: "涉及人数", EN: "one person or several", LabelMark: "[SRC]", CodeMark: "[SRC]", Source: "S4",
		Items: []item{{Code: "N", Name: "单人", EN: "one"}, {Code: "M", Name: "多人", EN: "several"}}},
	"venue_status": {ZH: "实体平台状态", EN: "venue status", LabelMark: "[INFER]", CodeMark: "[INFER]", Source: "I",
		Items: []item{{Code: "1", Name: "运行", EN: "open"}, {Code: "2", Name: "停用", EN: "closed"}}},
}

// members are the objects inside arrays whose members a source lists; their types are inferred.
var members = map[string][]field{
	"lawyer.rewards": {
		{Name: "name", ZH: "奖励名称", Type: "c..200"}, {Name: "year", ZH: "年度", Type: "n4"},
		{Name: "level", ZH: "奖励级别", Type: "n1", Codes: []string{"reward_level"}}, {Name: "awardOrganization", ZH: "授奖单位", Type: "c..200"},
	},
	"lawyer.punishments": {
		{Name: "organization", ZH: "所在机构", Type: "c..200"}, {Name: "category", ZH: "惩罚类别", Type: "n2", Codes: []string{"penalty"}},
		{Name: "result", ZH: "惩罚结果", Type: "c..500"}, {Name: "start", ZH: "开始日期", Type: "d"}, {Name: "end", ZH: "结束日期", Type: "d"},
		{Name: "punishOrganization", ZH: "处罚单位", Type: "c..200"},
	},
	"legal_aid_case.coApplicants": {
		{Name: "name", ZH: "姓名", Type: "c..200"}, {Name: "gender", ZH: "性别", Type: "n1", Codes: []string{"gender"}},
		{Name: "certType", ZH: "证件类型", Type: "n3", Codes: []string{"cert_type"}}, {Name: "certNo", ZH: "证件号码", Type: "c..20"},
		{Name: "mobile", ZH: "手机号码", Type: "c..20"}, {Name: "crowd", ZH: "人群类别", Type: "arr n2", Codes: []string{"crowd"}},
	},
}

// elements are the elements of arrays about which the tables say nothing.
var elements = map[string]object{
	"consultation.followUps": {{"type", "object"}, {"maxProperties", maxMembers}},
	"service_venue.zones":    {{"type", "string"}, {"minLength", 1}, {"maxLength", 50}},
}

// systemType is a record type of the protocol itself, not of the tables.
type systemType struct {
	name, zh, en string
	audience     object
	schema       object
}

const base64Pattern = "^[A-Za-z0-9+/]+={0,2}$"

func text(zh, pattern string, maxLen int, note string) object {
	return object{{"title", zh}, {"type", "string"}, {"maxLength", maxLen}, {"pattern", pattern}, {"x-sensitivity", internal}, {"x-mark", "[PROTOCOL]"}, {"x-source", note}}
}

func whole(zh string) object {
	return object{{"title", zh}, {"type", "integer"}, {"minimum", 1}, {"maximum", int64(1)<<53 - 1}, {"x-sensitivity", internal}, {"x-mark", "[PROTOCOL]"}, {"x-source", "protocol §7"}}
}

var systemTypes = []systemType{
	{
		name: "exchange_node", zh: "节点目录条目", en: "directory entry of a node", audience: everybody,
		schema: append(head("exchange_node", "节点目录条目", "directory entry of a node", ""),
			member{"type", "object"}, member{"required", []string{"entry", "sigs"}},
			member{"properties", object{
				{"entry", text("条目", base64Pattern, 131072, "protocol §7: canonical JSON, base64")},
				{"sigs", object{{"title", "签名"}, {"type", "array"}, {"minItems", 1}, {"maxItems", 8}, {"items", object{
					{"type", "object"}, {"required", []string{"by", "sig"}},
					{"properties", object{
						{"by", text("签名者", "^[0-9a-f]{64}$", 64, "protocol §7: SM3 of the signer's certificate")},
						{"sig", text("签名值", base64Pattern, 200, "protocol §1: SM2, DER, base64")},
					}}, {"additionalProperties", false},
				}}, {"x-sensitivity", internal}, {"x-mark", "[PROTOCOL]"}, {"x-source", "protocol §7"}}},
			}}, member{"additionalProperties", false}),
	},
	{
		name: "exchange_rejection", zh: "拒收通知", en: "notice of a rejected record",
		audience: object{{"county", "to-{origin}"}, {"city", "to-{origin}"}, {"province", "to-{origin}"}, {"ministry", "to-{origin}"}},
		schema: append(head("exchange_rejection", "拒收通知", "notice of a rejected record", ""),
			member{"type", "object"}, member{"required", []string{"origin", "stream", "gen", "seq", "code", "pointer", "pack", "time"}},
			member{"properties", object{
				{"origin", text("来源节点", "^[0-9a-z][0-9a-z-]{1,31}$", 32, "protocol §1, §7")},
				{"stream", text("数据流", "^[0-9a-z][0-9a-z-]{1,31}/[a-z][a-z0-9_]{1,47}/[a-z0-9+-]{1,64}$", 146, "protocol §1, §7")},
				{"gen", whole("代次")}, {"seq", whole("序号")},
				{"code", text("错误代码", "^[A-Z][A-Z0-9_]{1,47}$", 48, "protocol §4, §7")},
				{"pointer", object{{"title", "字段位置"}, {"type", "string"}, {"maxLength", 512}, {"x-sensitivity", internal}, {"x-mark", "[PROTOCOL]"}, {"x-source", "protocol §4: JSON pointer, never the value"}}},
				{"pack", text("所用模式", "^[a-z][a-z0-9_]{1,47}@[1-9][0-9]{0,8}#[0-9a-f]{64}$", 128, "protocol §2, §7")},
				{"time", object{{"title", "时间"}, {"type", "string"}, {"format", "date-time"}, {"x-sensitivity", internal}, {"x-mark", "[PROTOCOL]"}, {"x-source", "protocol §1, §7"}}},
			}}, member{"additionalProperties", false}),
	},
}

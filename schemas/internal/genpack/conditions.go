package main

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

// identityCard builds the branch of records that name the kind of document: an identity card's number has its check digit right (GB 11643).
func identityCard(field string) object {
	return branch("证件类型为居民身份证", "certType is 111 (identity card)", "certType", v("111"),
		object{{"properties", object{{field, object{{"format", "id18"}}}}}})
}

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
	identityCard("certNo"),
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

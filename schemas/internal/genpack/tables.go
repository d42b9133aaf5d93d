package main

// tableOf names tables for fields that spell their codes in the rule column or leave the level of a scale open, and takes none for plain
// text.
var tableOf = map[string][]string{
	"legal_aid_case.deliverWay":   {"aid_deliver_way"},
	"legal_aid_case.decision":     {"aid_decision"},
	"legal_aid_case.involveCount": {"aid_involve"},
	"service_venue.status":        {"venue_status"},
	"notary_case.applicantType":   {"applicant_type"},
	"mediation_case.tjType":       {"mediation_kind"},
	"legal_worker.fullTime":       {"full_time"},
	"village_adviser.score":       {"satisfaction5"}, // stars, as the table's source has them
	"adviser_service_log.score":   {"satisfaction5"},
	"rule_of_law_creation.state":  {"creation_state"},
	"case_library_item.state":     {"library_state"},
	"evaluation.attitude":         {"satisfaction3"}, // the scale of evaluation.score
	"evaluation.efficiency":       {"satisfaction3"},
	"evaluation.competence":       {"satisfaction3"},
	"complaint.matter":            {}, // the table is that of legal aid only, see the condition
}

// inlineTables are code tables that stand in the rule column only, or in no source at all.
var inlineTables = map[string]table{
	"aid_deliver_way": {ZH: "文书送达方式", EN: "service of documents", LabelMark: "[INFER]", CodeMark: "[SRC]", Source: "S4; code letters seen, meanings inferred",
		Items: []item{{Code: "ZQ", Name: "自取", EN: "collected"}, {Code: "YJ", Name: "邮寄", EN: "by post"}}},
	"aid_decision": {ZH: "法律援助审批决定", EN: "decision on legal aid", LabelMark: "[STD]", CodeMark: "[INFER]", Source: "SF/T 0024-2017 contents 8.9, 8.10",
		Items: []item{{Code: "1", Name: "给予法律援助", EN: "granted"}, {Code: "2", Name: "不予法律援助", EN: "refused"}}},
	"aid_involve": {ZH: "涉及人数", EN: "one person or several", LabelMark: "[SRC]", CodeMark: "[SRC]", Source: "S4",
		Items: []item{{Code: "N", Name: "单人", EN: "one"}, {Code: "M", Name: "多人", EN: "several"}}},
	"venue_status": {ZH: "实体平台状态", EN: "venue status", LabelMark: "[INFER]", CodeMark: "[INFER]", Source: "I",
		Items: []item{{Code: "1", Name: "运行", EN: "open"}, {Code: "2", Name: "停用", EN: "closed"}}},
	"applicant_type": {ZH: "申请人类型", EN: "kind of applicant", LabelMark: "[INFER]", CodeMark: "[INFER]", Source: "I",
		Items: []item{{Code: "1", Name: "自然人", EN: "natural person"}, {Code: "2", Name: "法人或其他组织", EN: "legal person or other organisation"}}},
	"mediation_kind": {ZH: "调解类型", EN: "kind of mediation", LabelMark: "[SRC]", CodeMark: "[SRC]", Source: "S3",
		Items: []item{{Code: "1", Name: "一般调解", EN: "general"}, {Code: "2", Name: "专业调解", EN: "specialised"}}},
	"full_time": {ZH: "专职或兼职", EN: "full time or part time", LabelMark: "[SRC]", CodeMark: "[INFER]", Source: "S1(licenseType)",
		Items: []item{{Code: "1", Name: "专职", EN: "full time"}, {Code: "2", Name: "兼职", EN: "part time"}}},
	"creation_state": {ZH: "法治创建状态", EN: "state of a rule-of-law model unit", LabelMark: "[INFER]", CodeMark: "[INFER]", Source: "I",
		Items: []item{{Code: "1", Name: "申报", EN: "applied"}, {Code: "2", Name: "考核", EN: "under examination"}, {Code: "3", Name: "命名", EN: "named"},
			{Code: "4", Name: "复核", EN: "under review"}, {Code: "5", Name: "摘牌", EN: "withdrawn"}}},
	"library_state": {ZH: "案例状态", EN: "state of a library case", LabelMark: "[INFER]", CodeMark: "[INFER]", Source: "I",
		Items: []item{{Code: "1", Name: "草稿", EN: "draft"}, {Code: "2", Name: "审核", EN: "under review"}, {Code: "3", Name: "发布", EN: "published"},
			{Code: "4", Name: "下架", EN: "taken down"}}},
	"notice_category": {ZH: "公告类别", EN: "category of a notice", LabelMark: "[INFER]", CodeMark: "[INFER]", Source: "I; 01-03 are contents that 19号文 四 names",
		Items: []item{{Code: "01", Name: "法律职业资格考试（司法考试）公告", EN: "legal qualification examination"}, {Code: "02", Name: "法律法规", EN: "laws and regulations"},
			{Code: "03", Name: "信用信息公开", EN: "credit information"}, {Code: "04", Name: "机构与人员名册公告", EN: "registers of institutions and persons"},
			{Code: "05", Name: "服务事项与办事指南", EN: "services and how to apply"}, {Code: "99", Name: "其他", EN: "other"}}},
}

package main

// members are the objects inside arrays, and the objects, whose members a source lists; their types are inferred. Arrays noted arr(block)
// take theirs from the table itself.
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
	"publicity_event.undertakers":  organiser,
	"publicity_event.coorganizers": organiser,
	// The source has eight numbers in this order and with these units; the names of the members are inferred.
	"adviser_service_log.quantities": {
		{Name: "lecturePersons", ZH: "法治讲座（人次）", Type: "n..6"}, {Name: "consults", ZH: "法律咨询（次）", Type: "n..6"},
		{Name: "mediations", ZH: "调解纠纷（件）", Type: "n..6"}, {Name: "trained", ZH: "培训骨干（人）", Type: "n..6"},
		{Name: "handouts", ZH: "发放资料（份）", Type: "n..6"}, {Name: "aids", ZH: "法律援助（件）", Type: "n..6"},
		{Name: "docs", ZH: "代写文书（份）", Type: "n..6"}, {Name: "rules", ZH: "完善村居制度（项）", Type: "n..6"},
	},
}

var organiser = []field{{Name: "name", ZH: "名称", Type: "c..200"}, {Name: "introduce", ZH: "介绍", Type: "c..2000"}, {Name: "link", ZH: "链接", Type: "c..300"}}

// essentialMembers are the members without which an element makes no sense. Those that a source requires are required anyway.
var essentialMembers = map[string][]string{
	"mediation_case.applicants":  {"name"},
	"mediation_case.respondents": {"name"},
}

// elements are the elements of arrays about which the tables say nothing.
var elements = map[string]object{
	"consultation.followUps":          {{"type", "object"}, {"maxProperties", maxMembers}},
	"service_venue.zones":             {{"type", "string"}, {"minLength", 1}, {"maxLength", 50}},
	"notary_case.materials":           {{"type", "object"}, {"maxProperties", maxMembers}},
	"forensic_case.materials":         {{"type", "object"}, {"maxProperties", maxMembers}},
	"adviser_service_log.attachments": address,
	"publicity_event.photos":          address,
	"case_library_item.keywords":      {{"type", "string"}, {"minLength", 1}, {"maxLength", 50}},
}

// address is an element that says where a file lies, as photoUrl does.
var address = object{{"type", "string"}, {"minLength", 1}, {"maxLength", 300}}

// amended corrects single cells of the tables where their own note says that the cell is not right.
var amended = map[string]field{
	// "L:S1; recommend c..2000": 255 was the width of one system's column; a complaint longer than that is no defect.
	"complaint.content": {Type: "c1..2000", LengthMark: "INFER"},
	// "respondent may be unknown → O", "respondent c..600".
	"mediation_case.respondents.idCard":    {Required: "O"},
	"mediation_case.respondents.household": {Type: "c..600"},
}

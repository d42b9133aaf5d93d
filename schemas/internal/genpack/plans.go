package main

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
	{
		name: "notary_office", en: "notary office", essential: []string{"creditCode", "name", "status"}, audience: registers,
		class: public, classes: map[string][]string{internal: {"personNum"}},
	},
	{
		name: "notary", en: "notary", essential: []string{"certificateNo", "name", "practiceStatus"}, audience: registers,
		class: public, classes: map[string][]string{
			sensitive: {"idCard", "phone", "email"}, internal: {"ethnic", "education", "degree", "political", "qualCertNo"},
		},
	},
	{
		name: "notary_case", en: "notarial case", essential: []string{"caseNo", "matter", "applyDate", "state"}, audience: reports,
		class: internal, classes: map[string][]string{sensitive: {
			"applicantName", "certType", "certNoApplicant", "agentName", "agentIdCard", "purpose", "useCountry", "falseProof", "materials",
		}},
		conditions: []object{identityCard("certNoApplicant")},
	},
	{
		name: "mediator", en: "people's mediator", essential: []string{"code", "name", "isActive"}, audience: registers,
		class: public, classes: map[string][]string{sensitive: {"idCard", "phone"}, internal: {"ethnic", "education", "political"}},
	},
	{
		name: "mediation_case", en: "people's mediation case", essential: []string{"caseNo", "situation", "applyDate", "phase"}, audience: reports,
		class: internal, classes: map[string][]string{sensitive: {
			"applicants", "respondents", "relation", "title", "occurAddr", "situation", "request", "mediateRecord", "disputeFact", "disputeMatter",
			"agreementContent", "performMode", "visitContent",
		}},
	},
	{
		name: "forensic_institution", en: "forensic institution", essential: []string{"creditCode", "name", "status", "latitude"}, audience: registers,
		class: public, classes: map[string][]string{sensitive: {"legalPersonPhone", "directorPhone"}, internal: {"teamSize"}},
	},
	{
		name: "forensic_expert", en: "forensic expert", essential: []string{"practiceCertNo", "name", "qualificationStatus"}, audience: registers,
		class: public, classes: map[string][]string{
			sensitive: {"idCard", "phone", "email"}, internal: {"ethnic", "education", "graduatedSchool", "political"},
		},
	},
	{
		name: "forensic_case", en: "forensic case", essential: []string{"caseNo", "matter", "entrustDate", "state"}, audience: reports,
		class: internal, classes: map[string][]string{sensitive: {
			"clientName", "certType", "certNo", "capacity", "agentName", "agentIdCard", "subjectName", "matter", "synopsis", "materials", "opinion",
		}},
		conditions: []object{identityCard("certNo")},
	},
	{
		name: "legal_worker_office", en: "grass-roots legal service office", essential: []string{"creditCode", "name", "status"}, audience: registers,
		class: public, classes: map[string][]string{internal: {"staffNumber"}},
	},
	{
		name: "legal_worker", en: "grass-roots legal worker", essential: []string{"licenseNo", "name", "practiceStatus"}, audience: registers,
		class: public, classes: map[string][]string{
			sensitive: {"idCard", "birthday", "phone"}, internal: {"ethnic", "education", "political", "qualificationNo"},
		},
	},
	{
		// Document 19 has name, duties, telephone and hours of an adviser on the notice board of the village, hence public.
		name: "village_adviser", en: "village legal adviser", essential: []string{"adviserId", "name", "villageCode", "contractFrom"}, audience: reports,
		class: public, classes: map[string][]string{sensitive: {"email"}, internal: {
			"adviserId", "hasWechatGroup", "wechatGroupSize", "legalKeyPersons", "monthlyHoursRequired", "quarterlyLectureRequired", "score",
		}},
		conditions: []object{branch("顾问身份为律师", "kind is 1 (lawyer)", "kind", v("1"),
			object{{"properties", object{{"licenseNo", object{{"format", "lawyer-licence"}}}}}})},
	},
	{
		// Where somebody was at which minute is about the person; the villagers served stand in content and result.
		name: "adviser_service_log", en: "service log of a village legal adviser", audience: reports,
		essential: []string{"logNo", "adviserId", "villageCode", "serviceDate", "content"},
		class:     internal, classes: map[string][]string{sensitive: {
			"signPlace", "signLng", "signLat", "signPhoto", "content", "result", "attachments",
		}},
	},
	{
		name: "publicity_event", en: "legal publicity event or lecture", essential: []string{"eventNo", "title", "startTime"}, audience: reports,
		class: public, classes: map[string][]string{internal: {"participants", "handouts", "photos"}},
	},
	{
		name: "rule_of_law_creation", en: "rule-of-law model unit", essential: []string{"creationNo", "unitName", "year", "state"}, audience: reports,
		class: public,
	},
	{
		name: "complaint", en: "complaint", essential: []string{"complaintNo", "content", "submitTime", "state"}, audience: reports,
		class: internal, classes: map[string][]string{sensitive: {
			"name", "gender", "phone", "targetPersonNo", "targetLicense", "title", "content", "reply",
		}},
		conditions: []object{branch("投诉对象为法律援助机构或人员", "targetType is 07 or 08 (legal aid)", "targetType", v("07", "08"),
			object{{"properties", object{{"matter", object{{"type", "string"}, {"x-codes", []string{"aid_complaint_kind"}}}}}}})},
	},
	{
		name: "evaluation", en: "rating by a citizen", essential: []string{"evalNo", "bizType", "bizNo", "score", "evalTime"}, audience: reports,
		class: internal, classes: map[string][]string{sensitive: {"evaluatorName", "evaluatorPhone", "opinion"}},
		conditions: []object{when("满意度为不满意", "score is 1 (dissatisfied)", "score", v("1"), "revisited")},
	},
	{
		// What happened and how it was handled is case content until isDesensitized says otherwise, and a class cannot depend on a value.
		name: "case_library_item", en: "case of the case library", audience: reports,
		essential: []string{"caseNo", "title", "summary", "isDesensitized", "state"},
		class:     public, classes: map[string][]string{
			sensitive: {"summary", "process", "comment"}, internal: {"author", "isDesensitized", "reviewer", "state"},
		},
	},
	{
		name: "arbitration_institution", en: "arbitration institution", essential: []string{"creditCode", "name", "status"}, audience: registers,
		class: public, classes: map[string][]string{internal: {"arbitratorNum"}},
	},
	{
		name: "judicial_office", en: "judicial office of a township", essential: []string{"orgCode", "name"}, audience: registers,
		class: public, classes: map[string][]string{internal: {"teamSize"}},
	},
	{
		name: "notice", en: "public notice", essential: []string{"noticeNo", "title", "content", "publishDate"}, audience: registers,
		class: public,
	},
	{
		name: "handoff_event", en: "event of a ticket hand-off", urgent: true,
		essential: []string{"eventKey", "handoffId", "number", "verb", "fromState", "toState", "owner", "originParty", "targetParty", "recordedAt", "prevHash", "hash"}, audience: reports,
		class: internal,
	},
}

package main

// Everything in this file and its neighbours plans.go, conditions.go, tables.go, members.go, notice.go and system.go is a decision of this
// project, not a line of the tables.

const (
	maxItems   = 50 // elements of an array
	maxMembers = 32 // members of an object whose members no source names
)

const (
	public    = "公开"
	internal  = "内部"
	sensitive = "敏感个人信息"
)

// plan is what a record type needs beyond its table. Classes follow one rule: in a register kept for the public everything is public but
// what belongs to the private life of a person (sensitive) or describes how an office works and who somebody is beyond the profession
// (internal); in a record about somebody's matter everything is internal, and sensitive is whatever identifies the persons in it or tells
// what happened to them.
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

// references names the types whose key a field holds. Where a field may refer to several types, all are named: a reference is only
// reported missing when every type it may point to is known.
var references = map[string][]string{
	"lawyer.firmCreditCode":            {"law_firm"},
	"legal_aid_case.orgCode":           {"legal_aid_institution"},
	"legal_aid_case.undertakeOrgCode":  {"law_firm", "legal_aid_institution", "legal_worker_office"},
	"legal_aid_case.undertakerLicense": {"lawyer", "legal_worker"},
	"consultation.aidCaseNo":           {"legal_aid_case"},
	"consultation.venueCode":           {"service_venue"},
	"consultation.answererLicense":     {"lawyer", "legal_worker", "notary"},
	"notary.orgCreditCode":             {"notary_office"},
	"notary_case.officeCreditCode":     {"notary_office"},
	"notary_case.notaryCertNo":         {"notary"},
	"mediator.committeeCode":           {"mediation_committee"},
	"mediation_case.committeeCode":     {"mediation_committee"},
	"mediation_case.mediatorCode":      {"mediator"},
	"forensic_expert.orgCreditCode":    {"forensic_institution"},
	"forensic_case.orgCreditCode":      {"forensic_institution"},
	"forensic_case.experts":            {"forensic_expert"},
	"legal_worker.officeCreditCode":    {"legal_worker_office"},
	"village_adviser.licenseNo":        {"lawyer", "legal_worker"},
	"village_adviser.orgCreditCode":    {"law_firm", "legal_worker_office"},
	"adviser_service_log.adviserId":    {"village_adviser"},
	"publicity_event.speakerLicense":   {"lawyer", "legal_worker", "notary"},
	"complaint.targetLicense":          {"lawyer", "legal_worker", "notary", "forensic_expert"},
	"evaluation.targetLicense":         {"lawyer", "legal_worker", "notary", "forensic_expert"},
	"evaluation.bizNo": {
		"consultation", "hotline_ticket", "legal_aid_case", "mediation_case", "notary_case", "forensic_case", "adviser_service_log",
		"publicity_event", "complaint",
	},
}

// formats holds the formats that the rule column does not name.
var formats = map[string]string{
	"legal_aid_case.orgCode":     "uscc",
	"service_venue.divisionCode": "division",

	// Where the record has its own date, rules/ judges the code by it.
	"consultation.areaCode": "division-past-6", "hotline_ticket.callerArea": "division-past-6", "hotline_ticket.callerTown": "division-past-9",
	"hotline_ticket.occurArea": "division-past-6", "mediation_case.occurCounty": "division-past-6", "mediation_case.occurTown": "division-past-9",
	"adviser_service_log.villageCode": "division-past-12", "publicity_event.divisionCode": "division-past", "publicity_event.villageCode": "division-past-12",
	"complaint.area": "division-past-6", "complaint.targetArea": "division-past-6", "village_adviser.villageCode": "division-past-12",
	"village_adviser.townCode": "division-past-9", "case_library_item.divisionCode": "division-past-6", "notice.divisionCode": "division-past",
	"rule_of_law_creation.divisionCode": "division-past",

	"hotline_ticket.callerPhone": "caller-number", // a network may hide the number of a call; that is no reason to refuse the ticket
}

// freeText lists fields whose code table is only advice: the source's column is too long for one code.
var freeText = []string{"law_firm.businessSpecial"}

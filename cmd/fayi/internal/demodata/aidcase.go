package demodata

import "strconv"

// aidPlan is one case from beginning to end. A version shows it up to one of its phases; dates[k] is when phases[k] began.
type aidPlan struct {
	*matter
	nature string
	phases []string
	dates  []moment
	first  int // index of the phase the case is first published in
	last   int // index of the phase it has reached on the demo's last day
}

// Ways through the phases (code table aid_phase): closed and filed, refused, ended early.
var (
	throughout = []string{"10", "20", "30", "40", "50", "60", "70", "80", "90"}
	refused    = []string{"10", "20", "30", "45"}
	endedEarly = []string{"10", "20", "30", "40", "50", "60", "65", "90"}
)

// aidPlan draws the plan of the i-th case. Review takes at most 7 days, assignment 3, the limits of the law of 2022 [INFER].
func (w *world) aidPlan(city *city, i int) aidPlan {
	r := w.random(aboutCase, city.node, i, 1)
	p := aidPlan{nature: "2", phases: throughout}
	switch k := r.below(100); {
	case k < 25:
		p.nature, p.matter = "1", &criminalMatters[r.below(len(criminalMatters))]
	case k < 29:
		p.nature, p.matter = "3", &criminalMatters[r.below(len(criminalMatters))]
	default:
		p.matter = &civilMatters[[]int{0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 7, 8}[r.below(14)]]
		switch k := r.below(100); {
		case k < 6:
			p.phases = refused
		case k < 8:
			p.phases = endedEarly
		}
	}
	at := today - moment(r.between(3, 600))*day
	for k := range p.phases {
		at = at.workday()
		p.dates = append(p.dates, at)
		if at <= today {
			p.last = k
		}
		switch p.phases[k] {
		case "10", "20":
			at += moment(r.between(0, 2)) * day
		case "30", "40":
			at += moment(r.between(1, 3)) * day
		case "50":
			at += moment(r.between(1, 4)) * day
		case "60":
			at += moment(r.between(25, 160)) * day
		default:
			at += moment(r.between(3, 25)) * day
		}
	}
	p.first = r.below(p.last + 1)
	return p
}

func (w *world) caseSteps(city *city, i int) int {
	p := w.aidPlan(city, i)
	return p.last - p.first + 1
}

// began returns when the case entered a phase, and whether it has by the phase at index now.
func (p *aidPlan) began(phase string, now int) (moment, bool) {
	for k := 0; k <= now; k++ {
		if p.phases[k] == phase {
			return p.dates[k], true
		}
	}
	return 0, false
}

func (w *world) aidCase(o *object, city *city, i, v int, full bool) string {
	p := w.aidPlan(city, i)
	now := p.first + v - 1
	if now >= len(p.phases) {
		now = len(p.phases) - 1
	}
	r := w.random(aboutCase, city.node, i, 0)
	who := w.person(&r, pick(&r, city.villages))
	county := who.home.county()
	short := city.short + digits(uint64(i+1), 6) // part of invented document numbers
	no := city.prefix + "-" + p.dates[0].year() + "-" + digits(uint64(i+1), 6)
	criminal := p.caseType == "01"
	sum := 0
	if p.low > 0 {
		sum = r.between(p.low, p.high) * 100
	}
	pairs := []string{"人", who.surname() + "某", "地", city.byCode[who.home.code[:9]].name, "款", strconv.Itoa(sum),
		"数", strconv.Itoa(r.between(2, 8)), "年月", (p.dates[0] - moment(r.between(60, 500))*day).time().Format("2006年1月")}
	stage := pick(&r, p.stages)
	course := procedures[stage]

	o.str("caseNo", no)
	o.str("nature", p.nature)
	channel := pick(&r, []string{"1", "1", "1", "2", "4", "5"})
	if p.nature != "2" {
		channel = "3"
	}
	o.str("applyChannel", channel)
	if p.nature != "2" {
		organ := city.organ(county, course.organ)
		o.str("transferOrgType", map[string]string{"01_01": "1", "01_02": "2", "01_03": "3"}[stage])
		o.str("transferOrgName", organ)
		o.str("noticeReason", pick(&r, []string{"4", "8", "8", "8", "9"}))
		o.str("noticeOrgName", organ)
		o.str("noticeNo", "（", p.dates[0].year(), "）", short, "援通9", digits(uint64(r.below(10000)), 4), "号")
		o.str("officerName", w.name(&r, r.percent(70)))
		o.str("officerPhone", mobile(&r))
	}
	o.str("caseType", p.caseType)
	o.str("applicantName", who.name)
	o.str("gender", who.gender)
	o.str("birthday", who.birthday)
	o.str("ethnic", "01")
	o.str("nationality", "CHN")
	o.str("certType", "111")
	o.str("certNo", who.id)
	o.str("phone", who.phone)
	o.str("householdAddr", "陕西省", city.place(who.home))
	o.str("residenceAddr", "陕西省", city.place(who.home))
	o.str("deliverWay", "ZQ")
	o.str("education", pick(&r, []string{"81", "71", "71", "71", "61", "31"}))
	o.str("workUnit", pick(&r, []string{"务农", "自由职业", "灵活就业", "建筑工地务工"}))
	crowd := pick(&r, p.crowds)
	if who.male && crowd == "01" { // women, by the pack's rule
		crowd = "99"
	}
	if !who.male && crowd != "01" {
		o.strs("crowd", []string{"01", crowd})
	} else {
		o.strs("crowd", []string{crowd})
	}
	if !criminal {
		o.boolean("isPoor", true)
		o.boolean("exemptProof", p.wage)
		if p.wage {
			o.str("exemptReason", "农民工追索劳动报酬")
		}
		before := r.percent(4)
		o.boolean("appliedBefore", before)
		if before {
			o.str("lastApplyPlace", w.institutions[city.node][0].name)
			o.date("lastApplyDate", p.dates[0]-moment(r.between(200, 900))*day)
		}
		w.agent(o, city, &r, full || r.percent(8))
	}
	o.strs("causes", []string{p.cause})
	o.str("caseSummary", fill(pick(&r, p.opening), pairs...), fill(pick(&r, p.event), pairs...), fill(pick(&r, p.demand), pairs...))
	if criminal {
		custody := pick(&r, []string{"1", "1", "2"})
		o.str("custody", custody)
		if custody == "1" {
			o.str("custodyPlace", city.organ(county, "看守所"))
		}
	}
	o.str("stage", stage)
	o.str("legalRole", course.role)
	o.str("aidMode", course.mode)
	if several := p.wage && r.percent(25); several {
		o.str("involveCount", "M")
		w.coApplicants(o, city, &r)
	} else {
		o.str("involveCount", "N")
	}
	o.boolean("isTypical", r.percent(3))
	o.str("caseHappenPlace", "陕西省", city.name, city.county(who.home), city.byCode[who.home.code[:9]].name)
	o.str("orgCode", w.institutionCode(city, w.nearest(city, county)))
	w.aidHandling(o, city, &r, &p, now, county, short, course, sum)
	return no
}

// agent writes the four fields of an agent where there is one.
func (w *world) agent(o *object, city *city, r *random, has bool) {
	o.boolean("hasAgent", has)
	if has {
		agent := w.person(r, pick(r, city.villages))
		o.str("agentName", agent.name)
		o.str("agentPhone", agent.phone)
		o.str("agentIdCard", agent.id)
		o.str("agentType", "2")
	}
}

// coApplicants writes one to three fellow workers.
func (w *world) coApplicants(o *object, city *city, r *random) {
	var list object
	for range r.between(1, 3) {
		p := w.person(r, pick(r, city.villages))
		var one object
		one.reset()
		one.str("name", p.name)
		one.str("gender", p.gender)
		one.str("certType", "111")
		one.str("certNo", p.id)
		one.str("mobile", p.phone)
		one.strs("crowd", []string{"04"})
		if len(list.buf) > 0 {
			list.buf = append(list.buf, ',')
		}
		list.buf = append(list.buf, one.bytes()...)
	}
	o.raw("coApplicants", "["+string(list.buf)+"]")
}

// nearest returns the number of the institution of a county, which every county of the two cities has.
func (w *world) nearest(city *city, county string) int {
	for i, at := range w.institutions[city.node] {
		if at.division == county {
			return i
		}
	}
	return 0
}

// aidHandling writes what happened from the application on, as far as the case has come.
func (w *world) aidHandling(o *object, city *city, r *random, p *aidPlan, now int, county, short string, course procedure, sum int) {
	criminal := p.caseType == "01"
	o.date("applyDate", p.dates[0])
	if at, ok := p.began("20", now); ok {
		o.date("acceptDate", at)
	}
	if at, ok := p.began("30", now); ok {
		o.date("reviewDate", at)
		o.str("reviewOpinion", reviewOpinion(r, p))
	}
	if at, ok := p.began("40", now); ok {
		o.date("approveDate", at)
		o.str("approveOpinion", pick(r, approveOpinions))
		o.str("decision", "1")
	}
	if at, ok := p.began("45", now); ok {
		reason := r.below(2)
		o.date("approveDate", at)
		o.str("approveOpinion", refusals[reason])
		o.str("decision", "2")
		o.str("rejectReason", []string{"2", "1"}[reason])
	}
	if at, ok := p.began("50", now); ok {
		by, _ := w.registered(pick(r, w.register.roster[city.node]))
		o.datetime("assignDate", at+9*hour+moment(r.below(400))*minute)
		o.str("undertakerType", "2")
		o.str("undertakeOrgName", by.firmName)
		o.str("undertakeOrgCode", by.firmCode)
		o.str("undertakerName", by.name)
		o.str("undertakerLicense", by.licence)
		o.str("undertakerPhone", by.phone)
	}
	if at, ok := p.began("65", now); ok {
		o.date("closeDate", at)
		o.str("closeMode", "7")
		o.str("summary", "受援人自行委托律师并书面申请终止，经审查决定终止法律援助，已通知承办律师和受援人。")
	}
	if at, ok := p.began("70", now); ok {
		end := pick(r, course.endings)
		where := county
		if course.organ == "中级人民法院" {
			where = city.node
		}
		o.date("closeDate", at)
		o.str("closeOrg", city.organ(where, course.organ))
		o.str("closeDoc", end.document)
		o.str("docNumber", "（", at.year(), "）", short, course.mark, "9", digits(uint64(r.below(100000)), 5), "号")
		o.str("closeMode", end.mode)
		if criminal {
			o.str("opinionAdopted", pick(r, []string{"1", "2", "2", "3"}))
		} else if sum > 0 && end.mode != "2" && end.mode != "4" {
			saved := sum * r.between(60, 100) / 100
			o.money("savedLoss", saved)
			if p.wage {
				o.money("wageRecovered", saved)
			}
		}
		o.str("summary", pick(r, steps), end.result)
	}
	if _, ok := p.began("80", now); ok {
		o.money("subsidy", r.between(12, 28)*100)
		o.boolean("isEvaluated", true)
		o.integer("assessScore", r.between(78, 99))
		o.str("assessComment", pick(r, assessments))
	}
	if at, ok := p.began("90", now); ok {
		o.date("archiveDate", at)
	}
	if !criminal {
		o.strs("materials", []string{"sfz", "jj", "qt"})
	}
	o.str("phase", p.phases[now])
}

func reviewOpinion(r *random, p *aidPlan) string {
	if p.nature != "2" {
		return reviewOpinions[2]
	}
	if p.phases[len(p.phases)-1] == "45" {
		return "经审查，申请人提交的材料不足以证明符合法律援助条件，提请审批。"
	}
	return reviewOpinions[r.below(2)]
}

package demodata

import (
	"strconv"
	"strings"
)

// call is a kind of hotline call. {地} is a place, {数} a small number, {款} a sum of money.
type call struct {
	kind, service, matter, title string
	crowd                        string
	asks, wants                  []string
	answer                       string // what the desk answers at once; "" if the call is always handed on
	to                           string // the organ it is handed to, without the name of the county
	result                       string
}

var calls = []call{
	{kind: "1", service: "13", matter: "2004", title: "咨询拖欠劳务工资如何维权", crowd: "04",
		asks:   []string{"来电人称在{地}一处工地做工{数}个月，包工头欠劳务费{款}元，只打了欠条。", "来电人反映与{数}名工友在{地}务工，工程结束后{款}元工资一直未结清。", "来电人称在{地}餐馆打工，离职时老板扣发{数}个月工资共{款}元。"},
		wants:  []string{"询问应当找哪个部门，仲裁要准备什么材料。", "想申请法律援助，询问办理条件。", "询问没有书面合同能不能要回工资。"},
		answer: "已告知先向劳动保障监察部门投诉或者申请劳动仲裁，准备欠条、考勤和转账记录；农民工追索劳动报酬申请法律援助不受经济困难条件限制。", to: "法律援助中心", result: "已联系来电人到窗口提交申请材料，当日完成初审并转审批。"},
	{kind: "1", service: "13", matter: "2009", title: "咨询离婚及子女抚养问题", crowd: "01",
		asks:   []string{"来电人称与配偶分居{数}年，对方外出务工不回家，孩子随其生活。", "来电人称夫妻感情不和，配偶不同意离婚，孩子{数}岁。", "来电人反映离婚后对方拖欠抚养费{款}元。"},
		wants:  []string{"询问起诉离婚需要哪些材料，到哪里的法院起诉。", "询问抚养费标准和如何主张。", "希望先调解，询问怎样申请人民调解。"},
		answer: "已解答起诉离婚的条件、管辖法院和所需证据，告知子女抚养以有利于未成年子女为原则，建议先申请人民调解。", to: "人民调解委员会", result: "调解员已上门了解情况，双方同意择日到场调解。"},
	{kind: "1", service: "13", matter: "2007", title: "咨询交通事故赔偿", crowd: "03",
		asks:   []string{"来电人称其父亲在{地}路段被货车撞伤，住院{数}天，花费{款}元。", "来电人称骑电动车与轿车相撞，交警认定对方负主要责任，对方只垫付了{款}元。"},
		wants:  []string{"询问误工费、护理费怎么算。", "询问保险公司拖延赔付怎么办。", "想了解伤残鉴定的时间和机构。"},
		answer: "已说明赔偿项目和计算方法，建议治疗终结后申请伤残鉴定，保险理赔不成可以起诉侵权人和保险公司。", to: "法律援助中心", result: "已为其代书起诉状，并指导准备证据清单。"},
	{kind: "1", service: "13", matter: "4001", title: "咨询民间借贷还款", crowd: "99",
		asks:   []string{"来电人称{数}年前借给同村村民{款}元，有借条，对方一直推脱。", "来电人替朋友担保借款{款}元，朋友失联，债权人要求其偿还。"},
		wants:  []string{"询问过了三年还能不能起诉。", "询问担保责任有多大，如何追偿。", "询问起诉费用和流程。"},
		answer: "已解答诉讼时效、保证期间和追偿权的规定，建议保留催款记录，可以申请支付令或者起诉。", to: "公共法律服务中心", result: "值班律师已电话回复并提供文书样本。"},
	{kind: "1", service: "13", matter: "3099", title: "咨询土地征收补偿", crowd: "03",
		asks:   []string{"来电人反映{地}修路占用其承包地{数}亩，补偿款{款}元未到户。", "来电人对{地}征地公告的补偿标准有异议。"},
		wants:  []string{"询问可否申请行政复议。", "要求说明补偿款发放情况。"},
		answer: "已告知行政复议和行政诉讼的期限，建议先向村委会和征收部门查询补偿方案和发放台账。", to: "司法局", result: "已协调镇司法所与村委会核对台账，答复来电人发放时间。"},
	{kind: "4", service: "01", matter: "2006", title: "申请工伤赔偿法律援助", crowd: "04",
		asks:   []string{"来电人称在{地}厂区作业时手部受伤，单位未缴纳工伤保险，医疗费{款}元。", "来电人称其丈夫在{地}施工时摔伤，住院{数}天，单位拒绝申报工伤。"},
		wants:  []string{"请求指派律师帮助申请工伤认定。", "希望办理法律援助。"},
		answer: "", to: "法律援助中心", result: "经审查符合条件，已决定给予法律援助并指派律师承办。"},
	{kind: "4", service: "05", matter: "2099", title: "申请调解邻里纠纷", crowd: "03",
		asks:   []string{"来电人称邻居建房占用巷道，双方多次争吵。", "来电人反映{地}一户排水冲毁其院墙，损失约{款}元，协商{数}次未果。"},
		wants:  []string{"请求村调委会上门调解。", "希望司法所派人现场查看。"},
		answer: "", to: "人民调解委员会", result: "调解员现场勘查后组织双方签订调解协议，约定限期恢复原状。"},
	{kind: "1", service: "03", matter: "2009", title: "咨询继承公证办理", crowd: "06",
		asks:   []string{"来电人称父母去世后留有{地}住房一套，兄妹{数}人意见一致。", "来电人称老人留有存款{款}元，银行要求提供公证书。"},
		wants:  []string{"询问办理继承公证要带什么材料。", "询问公证费用和时间。"},
		answer: "已告知办理继承公证所需的身份、亲属关系和财产证明材料，行动不便的老人可以预约上门服务。", to: "公共法律服务中心", result: "公证员已电话告知材料清单并预约办理时间。"},
	{kind: "2", service: "12", matter: "99", title: "投诉服务窗口工作人员态度", crowd: "99",
		asks:   []string{"来电人反映到{地}服务窗口咨询时无人值守，等候{数}个小时。", "来电人称窗口人员解答不耐烦，未一次性告知材料，往返{数}趟。"},
		wants:  []string{"要求调查处理并答复。", "希望改进服务。"},
		answer: "", to: "司法局", result: "已核实情况，对当班人员批评教育，并向来电人致歉。"},
	{kind: "3", service: "12", matter: "99", title: "建议增加乡镇法律服务时间", crowd: "06",
		asks:   []string{"来电人建议{地}工作站在逢集日安排律师值班。", "来电人建议在{地}开展反诈骗和防范养老诈骗宣传，称已有{数}位老人受骗。"},
		wants:  []string{"希望有关部门采纳。", "请予答复。"},
		answer: "已记录建议并感谢来电人，转有关科室研究。", to: "司法局", result: "已采纳建议，调整值班安排并向社会公布。"},
}

const ticketStates = 6 // versions a handed-on ticket can pass through; an answered one has 3

// ticketPlan is what stays the same through all versions of a ticket.
func (w *world) ticketPlan(city *city, i int) (c *call, answered bool, first int) {
	r := w.random(aboutTicket, city.node, i, 1)
	c = &calls[[]int{0, 0, 0, 1, 1, 2, 3, 3, 4, 5, 6, 7, 8, 9}[r.below(14)]]
	answered = c.answer != "" && r.percent(75)
	if answered {
		return c, true, r.below(3)
	}
	return c, false, r.below(ticketStates)
}

func (w *world) ticketSteps(city *city, i int) int {
	_, answered, first := w.ticketPlan(city, i)
	if answered {
		return 3 - first
	}
	return ticketStates - first
}

func (w *world) ticket(o *object, city *city, i, v int, full bool) string {
	c, answered, first := w.ticketPlan(city, i)
	step := first + v - 1
	r := w.random(aboutTicket, city.node, i, 0)
	caller := w.person(&r, pick(&r, city.villages))
	at := today - moment(r.between(15, 320))*day
	if at += moment(r.between(8, 20)) * hour; r.percent(6) { // the hotline never closes
		at = at.midnight() + moment(r.below(24))*hour
	}
	at += moment(r.below(3600))
	urgent := !answered && r.percent(5)
	sum, small := r.between(8, 640)*100, strconv.Itoa(r.between(2, 9))
	pairs := []string{"地", city.byCode[caller.home.code[:9]].name, "款", strconv.Itoa(sum), "数", small}
	ask := pick(&r, c.asks)
	no := at.compact() + digits(uint64(i+1), 8)
	o.str("ticketNo", no)
	o.datetime("callTime", at)
	o.str("callerPhone", caller.phone)
	o.str("callerName", caller.name)
	o.str("gender", caller.gender)
	if full || r.percent(25) {
		o.str("idCard", caller.id)
	}
	o.str("callerArea", caller.home.county())
	o.str("callerTown", caller.home.code[:9])
	crowd := c.crowd
	if caller.male && crowd == "01" { // women, by the pack's rule
		crowd = "99"
	}
	o.strs("crowd", []string{crowd})
	o.str("kind", c.kind)
	o.str("service", c.service)
	o.str("matter", c.matter)
	o.str("occurArea", caller.home.county())
	o.str("title", c.title)
	o.str("content", fill(ask, pairs...), pick(&r, c.wants))
	o.date("occurTime", at-moment(r.between(1, 200))*day)
	o.integer("involveCount", r.between(1, 6))
	if strings.Contains(ask, "{款}") {
		o.str("involveMoney", moneyClass(sum))
	}
	o.str("urgency", map[bool]string{true: "3", false: "1"}[urgent])
	o.str("agentNo", city.prefix, digits(uint64(r.between(1, 12)), 3))
	o.str("agentName", w.name(&r, r.percent(25)))
	talk := r.between(60, 900)
	o.integer("talkSeconds", talk)
	o.boolean("answered", answered)
	if answered {
		o.str("answer", c.answer)
		return ticketEnd(o, &r, no, at+moment(talk), []string{"20", "70", "90"}[step], step >= 1)
	}
	// 30 handed on, 40 being handled, 50 handled, 60 fed back, 70 called back, 90 filed
	handed := at + moment(talk) + moment(r.between(2, 45))*minute
	if !urgent {
		handed += moment(r.below(4)) * hour
	}
	o.str("transferOrg", ticketOrgan(city, caller.home, c.to))
	o.datetime("transferTime", handed)
	fedBack := (handed + moment(r.between(1, 4))*day).atWork(&r)
	if fedBack < handed {
		fedBack += 3 * day
	}
	if step >= 1 {
		o.str("transactor", w.name(&r, r.percent(60)))
	}
	if step >= 2 {
		o.str("handleResult", c.result)
	}
	if step >= 3 {
		o.datetime("feedbackTime", fedBack)
		o.boolean("extendApproved", false)
	}
	return ticketEnd(o, &r, no, fedBack, []string{"30", "40", "50", "60", "70", "90"}[step], step >= 4)
}

// moneyClass is the class a sum of yuan falls in.
func moneyClass(sum int) string {
	switch {
	case sum <= 5000:
		return "0-5000"
	case sum <= 50000:
		return "5000-50000"
	}
	return "50000以上"
}

// ticketEnd writes the call-back and the state.
func ticketEnd(o *object, r *random, no string, ended moment, state string, visited bool) string {
	if visited {
		o.datetime("visitTime", (ended + day).atWork(r))
		o.str("satisfaction", pick(r, []string{"2", "3", "3", "3", "3", "2", "1"}))
	}
	o.str("state", state)
	return no
}

// ticketOrgan names who takes a ticket over: the caller's own committee, or an organ of the county.
func ticketOrgan(city *city, home *unit, kind string) string {
	if kind == "人民调解委员会" {
		return home.committee
	}
	return city.organ(home.county(), kind)
}

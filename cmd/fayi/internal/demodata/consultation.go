package demodata

import "strings"

// topicOf turns STARD's topic guess into the code of the matter and an advice written here.
var topicOf = map[string]struct{ matter, advice string }{
	"侵权与人身损害": {"2011", "建议先固定现场照片、就医病历和费用票据，与对方协商不成的，可以申请人民调解，也可以向侵权行为地人民法院起诉。"},
	"债权债务":    {"4001", "建议整理借条、转账记录和聊天记录，注意三年的诉讼时效；对方下落不明的，可以先申请诉前财产保全。"},
	"合同":      {"4002", "建议先核对合同约定的履行期限、违约责任和争议解决条款，保留催告对方履行的书面凭证，再决定协商、仲裁还是诉讼。"},
	"房产物业":    {"2099", "建议调取不动产登记信息，把与物业或开发企业往来的书面材料整理好，可以先向所在街道的公共法律服务工作站申请调解。"},
	"劳动与社会保障": {"2010", "建议收集劳动合同、工资流水、考勤记录等证据，劳动争议一般须先申请仲裁，时效为一年；经济困难或属于农民工欠薪的，可以申请法律援助。"},
	"刑事":      {"1099", "该事项涉及刑事责任认定，须结合在案证据判断；犯罪嫌疑人、被告人没有委托辩护人且符合条件的，可以申请法律援助律师提供辩护。"},
	"行政":      {"3099", "对行政行为不服的，注意申请行政复议和提起行政诉讼的期限；建议保存送达回证，携带决定书到公共法律服务中心当面咨询。"},
	"知识产权":    {"4099", "建议先保全侵权证据，必要时办理保全证据公证，再向侵权方发函或者向有管辖权的人民法院起诉。"},
	"土地征收":    {"3099", "建议向村（居）委会和征收部门查询公告、补偿方案和登记情况，对补偿有异议的，可以申请行政复议或者提起行政诉讼。"},
	"公司与市场":   {"4099", "建议查询公司章程和市场主体登记信息，先通过股东会或者协商处理，协商不成的再考虑诉讼。"},
	"继承":      {"2009", "建议收集亲属关系证明、遗嘱和遗产清单，继承人之间意见一致的可以办理继承公证，有争议的可以调解或者起诉。"},
	"婚姻家庭":    {"2009", "建议先由村（居）人民调解委员会或者婚姻家庭纠纷调解组织调解，涉及子女抚养和财产分割的，注意收集收入和财产证据。"},
	"诉讼程序":    {"2099", "建议按照文书载明的期限办理，逾期可能丧失权利；书写起诉状、申请书有困难的，可以到公共法律服务中心请值班律师代书。"},
	"消费者权益":   {"4003", "建议保留购物凭证和商品实物，先与经营者协商，也可以拨打12315投诉，或者向人民法院起诉。"},
	"交通事故":    {"2007", "建议以事故责任认定书为依据，收集医疗费、误工费等票据，保险公司赔付不足的部分可以向侵权人主张。"},
	"其他":      {"99", "仅凭来电所述难以得出确定结论，建议携带相关材料到就近的公共法律服务工作站，由值班律师当面解答。"},
}

// consultSteps: 1 not answered yet, then answered, then closed with a score. Two thirds arrive answered.
func (w *world) consultSteps(city *city, i int) int { return 3 - w.consultFirst(city, i) }

func (w *world) consultFirst(city *city, i int) int {
	r := w.random(aboutConsultation, city.node, i, 1)
	return r.below(3)
}

func (w *world) consultation(o *object, city *city, i, v int) string {
	r := w.random(aboutConsultation, city.node, i, 0)
	step := w.consultFirst(city, i) + v - 1 // 0 asked, 1 answered, 2 closed
	// Each city walks through all questions in an order of its own before it repeats one with another asker.
	q := w.questions[(i*shufflingStep+len(city.villages))%len(w.questions)]
	topic := topicOf[q.topic]
	asker := w.person(&r, pick(&r, city.villages))
	asked := (today - moment(r.between(1, 300))*day).atWork(&r)
	channel := pick(&r, []string{"11", "11", "11", "11", "2", "2", "41", "42", "43", "44", "5"})
	no := "ZX" + city.node[:4] + asked.compact()[:6] + "-" + digits(uint64(i+1), 7)
	o.str("consultNo", no)
	o.str("channel", channel)
	o.str("serviceClass", pick(&r, []string{"13", "13", "13", "02", "01", "05"}))
	o.str("matter", topic.matter)
	title := q.topic
	if title == "其他" {
		title = "一般法律"
	}
	o.str("title", "关于", title, "问题的咨询")
	o.str("content", q.text)
	o.str("name", asker.name)
	o.str("gender", asker.gender)
	if channel == "2" {
		o.str("certType", "111")
		o.str("certNo", asker.id)
	}
	o.str("phone", asker.phone)
	if channel == "2" {
		o.integer("companions", r.below(3))
	}
	crowd := pick(&r, []string{"03", "04", "06", "99", "99"})
	if !asker.male && r.percent(40) {
		o.strs("crowd", []string{"01", crowd})
	} else {
		o.strs("crowd", []string{crowd})
	}
	o.str("education", pick(&r, []string{"81", "71", "71", "61", "31", "21"}))
	o.str("areaCode", asker.home.county())
	o.datetime("consultTime", asked)
	if step > 0 {
		by, _ := w.registered(pick(&r, w.register.roster[city.node]))
		o.str("answerer", by.name)
		o.str("answererLicense", by.licence)
		o.str("answerOrg", city.organ(asker.home.county(), "公共法律服务中心"))
		o.datetime("answerTime", asked+moment(r.between(3, 90))*minute)
		o.str("answer", "您好！您咨询的问题可以参考", q.statute, "的规定。", topic.advice, pick(&r, closings))
	}
	o.str("treatment", pick(&r, []string{"1", "1", "1", "1", "1", "2", "4"}))
	o.boolean("aidReferred", false)
	o.boolean("isPublic", r.percent(10))
	if step == 2 {
		o.str("score", pick(&r, []string{"2", "3", "3", "3", "3"}))
	}
	if channel == "2" {
		o.str("venueCode", asker.home.county(), "101")
	}
	o.str("state", []string{"1", "2", "4"}[step])
	return no
}

// shufflingStep shares no factor with the number of questions, 1,543 (a prime), so that multiples of it visit each once.
const shufflingStep = 577

var closings = []string{"以上意见仅供参考，感谢来电。", "如有疑问可以继续拨打12348。", "需要代书或者申请法律援助的，请携带身份证到就近的服务窗口办理。", ""}

// fill replaces {name} in a text by the value of that name; the pairs are name, value, name, value.
func fill(text string, pairs ...string) string {
	if !strings.Contains(text, "{") {
		return text
	}
	var b strings.Builder
	b.Grow(len(text) + 32)
	for {
		from := strings.IndexByte(text, '{')
		if from < 0 {
			b.WriteString(text)
			return b.String()
		}
		to := from + strings.IndexByte(text[from:], '}')
		b.WriteString(text[:from])
		for k := 0; k < len(pairs); k += 2 {
			if pairs[k] == text[from+1:to] {
				b.WriteString(pairs[k+1])
				break
			}
		}
		text = text[to+1:]
	}
}

package demodata

import (
	"sort"
	"strconv"
)

// firmCount is the number of law firms of the province in August 2022 (data/PROVENANCE.md); their sizes below add up to
// about the 16,104 lawyers of that day.
const firmCount = 797

// register is the province's lawyer register in outline: where each firm sits and which lawyers it has.
type register struct {
	seat    []prefecture // of each firm
	first   []int        // number of each firm's first lawyer; ascending
	lawyers int
	names   []string
	roster  map[string][]int // by city: the lawyers of its first firms, who take legal aid cases and calls
}

func newRegister(w *world) register {
	reg := register{roster: map[string][]int{}}
	r := w.random(aboutFirm, Province, -1, 0)
	var names []string
	for _, a := range firmChars {
		for _, b := range firmChars {
			if a != b {
				names = append(names, "陕西驿"+a+b+"律师事务所")
			}
		}
	}
	order := r.shuffled(len(names))
	for i := range firmCount {
		seat := w.prefectures[0] // 西安
		switch k := r.below(100); {
		case k < 25:
			seat = w.prefectures[7] // 榆林
		case k < 37:
			seat = w.prefectures[5] // 延安
		case k < 65:
			seat = pick(&r, w.prefectures)
		}
		// The first firms sit where the demo's cities are, so that a small demo has lawyers to assign.
		if i < 4 {
			seat = w.prefectures[[]int{7, 5, 0, 7}[i]]
		}
		size := r.between(5, 35)
		if city := w.cities[seat.code]; city != nil && len(reg.roster[city.node]) < 60 {
			for k := range size {
				reg.roster[city.node] = append(reg.roster[city.node], reg.lawyers+k)
			}
		}
		reg.seat = append(reg.seat, seat)
		reg.first = append(reg.first, reg.lawyers)
		reg.names = append(reg.names, names[order[i]])
		reg.lawyers += size
	}
	return reg
}

// Every synthetic firm is called 陕西驿××律师事务所; the two characters come from here.
var firmChars = []string{"衡", "正", "明", "诚", "信", "达", "安", "和", "远", "德", "恒", "泰", "博", "言", "立", "公", "允", "持", "尚", "理",
	"致", "知", "守", "法", "义", "典", "仁", "辩", "鼎", "秦"}

// firm returns the number of the firm that lawyer i belongs to, and the lawyer's place in it.
func (reg *register) firm(i int) (firm, place int) {
	firm = sort.SearchInts(reg.first, i+1) - 1
	return firm, i - reg.first[firm]
}

func (reg *register) size(firm int) int {
	if firm+1 < len(reg.first) {
		return reg.first[firm+1] - reg.first[firm]
	}
	return reg.lawyers - reg.first[firm]
}

// firmCode is the credit code of a firm: class 31, licensed by the province, organisation codes MD000001 and on.
func firmCode(firm int) string { return creditCode("31", Province, "MD"+digits(uint64(firm+1), 6)) }

// bureau names the judicial bureau of a prefecture.
func (p prefecture) bureau() string { return p.name + "司法局" }

// registered is what other records say about a lawyer.
type registered struct {
	person
	licence, firmCode, firmName, category string
	year                                  int
}

// registered returns lawyer i as registered, with the sequence to draw further details from.
func (w *world) registered(i int) (registered, random) {
	firm, _ := w.register.firm(i)
	r := w.random(aboutLawyer, Province, i, 0)
	l := registered{firmCode: firmCode(firm), firmName: w.register.names[firm], category: "1", year: r.between(1996, 2024)}
	home := w.cities[Yulin]
	if w.register.seat[firm].code == Yanan {
		home = w.cities[Yanan]
	}
	l.person = w.person(&r, pick(&r, home.villages))
	if r.percent(5) {
		l.category = "2"
	}
	l.licence = lawyerLicence(w.register.seat[firm].code, l.year, l.category, l.male, i+1)
	return l, r
}

func (w *world) lawFirm(o *object, i, v int, full bool) string {
	r := w.random(aboutFirm, Province, i, 0)
	seat, size := w.register.seat[i], w.register.size(i)
	head, _ := w.registered(w.register.first[i])
	phones, checks, staff := changes(v)
	code := firmCode(i)
	setup := today - moment(r.between(900, 9000))*day
	form := "1"
	switch k := r.below(100); {
	case k < 12:
		form = "3"
	case k < 17:
		form = "5"
	}
	o.str("name", w.register.names[i])
	o.str("shortName", w.register.names[i][len("陕西"):len("陕西驿衡正")], "所")
	o.str("creditCode", code)
	o.str("practiceCertNo", code)
	o.str("orgForm", form)
	o.str("status", "1")
	o.date("setupDate", setup)
	o.date("licenceDate", setup+moment(r.between(5, 30))*day)
	o.date("approvalDate", setup)
	o.str("approvalNumber", "陕司许〔", setup.year(), "〕9", digits(uint64(i), 4), "号")
	o.str("director", head.name)
	if full {
		o.str("directorIdCard", head.id)
	}
	o.str("admOrgCode", seat.code)
	o.str("admOrgName", seat.bureau())
	o.integer("lawyerCount", size+staff)
	o.integer("practiceNum", size+staff)
	o.integer("pluralizeNum", r.below(3))
	o.str("businessSpecial", pick(&r, firmFields))
	o.str("premises", pick(&r, []string{"1", "2", "2"}))
	o.str("annualCheck", []string{"1", "3"}[checks%2])
	pr := w.random(aboutFirm, Province, i, 1+phones)
	if city := w.cities[seat.code]; city != nil {
		o.str("phone", landline(city.area, &pr))
	} else {
		o.str("phone", mobile(&pr))
	}
	o.str("address", "陕西省", seat.name, "司法路", strconv.Itoa(r.between(1, 299)), "号驿站大厦", strconv.Itoa(r.between(3, 22)), "层")
	o.str("introduction", "演示数据：本所为虚构机构，名称、编号、人员均系生成。主要办理", pick(&r, firmFields), "等业务，参与村（居）法律顾问和法律援助工作。")
	return code
}

var firmFields = []string{"婚姻家庭、遗嘱继承、合同纠纷", "劳动人事、工伤赔偿、社会保险", "债权债务、融资借贷、抵押担保", "建设工程、房产土地、招标投标",
	"刑事辩护、刑事代理", "交通事故、人身侵权、医疗纠纷", "法律顾问、公司法、股权转让", "行政诉讼、行政复议、拆迁安置"}

func (w *world) lawyer(o *object, i, v int, _ bool) string {
	l, r := w.registered(i)
	firm, place := w.register.firm(i)
	phones, checks, titles := changes(v)
	o.str("name", l.name)
	o.str("licenseNo", l.licence)
	o.str("idCard", l.id)
	o.str("gender", l.gender)
	o.str("birthday", l.birthday)
	o.str("ethnic", pick(&r, []string{"01", "01", "01", "01", "01", "01", "01", "01", "03", "11"}))
	o.str("education", pick(&r, []string{"21", "21", "21", "14", "14", "31"}))
	o.str("political", pick(&r, []string{"01", "01", "03", "05", "13", "13", "13"}))
	o.str("lawyerCategory", l.category)
	o.str("practiceStatus", "1")
	o.str("firmCreditCode", l.firmCode)
	o.str("firmName", l.firmName)
	first := moment(int64(l.year-1970)*365+int64(l.year-1969)/4)*day + moment(r.between(20, 330))*day
	o.date("firstPracticeDate", first)
	o.date("certDate", first+moment(r.between(0, 20))*day)
	o.str("qualCertNo", "A", strconv.Itoa(l.year-r.between(1, 4)), l.home.county(), digits(uint64(i%10000), 4))
	o.str("qualCertType", "A")
	o.str("title", strconv.Itoa((r.below(5)+titles)%5))
	post := "0"
	switch place {
	case 0:
		post = "1"
	case 1:
		post = "2"
	}
	o.str("firmPost", post)
	speciality := r.shuffled(len(specialities))
	o.strs("speciality", []string{specialities[speciality[0]], specialities[speciality[1]], specialities[speciality[2]]})
	o.str("annualAssessment", []string{"1", "2"}[checks%2])
	o.boolean("isAidLawyer", r.percent(40))
	pr := w.random(aboutLawyer, Province, i, 1+phones)
	o.str("phone", mobile(&pr))
	o.str("admOrgName", w.register.seat[firm].bureau())
	o.str("introduction", "演示数据：虚构人员。自", strconv.Itoa(l.year), "年起执业，现在", l.firmName, "工作，参加公共法律服务值班和法律援助办案。")
	return l.licence
}

var specialities = []string{"0101", "0102", "0103", "0104", "0105", "0106", "0107", "0109", "0112", "0114", "0115", "0206", "0211", "0215", "0301", "0302", "0306", "0307"}

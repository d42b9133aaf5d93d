package demodata

import (
	"strconv"
	"strings"
)

var openTimes = []string{
	"周一至周五 8:30-12:00，14:00-18:00",
	"周一至周五 9:00-12:00，13:30-17:30",
	"周一至周六 8:30-12:00，14:00-18:00",
	"周一至周日 9:00-17:00，法定节假日休息",
	"周二、周四 9:00-17:00，其余时间电话预约",
}

// fullTime are the hours of offices with staff of their own.
var fullTime = openTimes[:4]

// order returns the first units as they are and the rest in random order.
func (w *world) order(kind int, city *city, units []*unit, fixed int) []*unit {
	r := w.random(aboutOrder, city.node, kind, 0)
	out := append([]*unit{}, units[:fixed]...)
	for _, k := range r.shuffled(len(units) - fixed) {
		out = append(out, units[fixed+k])
	}
	return out
}

// venues lists the service venues of a city: its centre, the county centres, then stations and rooms mixed.
func (w *world) venues(city *city) []*unit {
	return w.order(aboutVenue, city, city.all, 1+len(city.counties))
}

// committees lists towns, villages and communities, each with its mediation committee.
func (w *world) committees(city *city) []*unit {
	return w.order(aboutCommittee, city, city.all[1+len(city.counties):], 0)
}

func (w *world) venue(o *object, city *city, u *unit, i, v int) string {
	r := w.random(aboutVenue, city.node, i, 0)
	phones, staffs, times := changes(v)
	pr := w.random(aboutVenue, city.node, i, 1+phones)
	kind, host, base, area, lawyers := "3", "5", 1, r.between(15, 45), r.below(2)
	functions := []string{"01", "02", "03"}
	posts := []string{"1"}
	phone := mobile(&pr)
	switch len(u.code) {
	case 6:
		kind, host, base, area, lawyers = "1", pick(&r, []string{"1", "2", "3"}), r.between(8, 16), r.between(180, 900), r.between(2, 6)
		functions = []string{"01", "02", "03", "11", "12", "13", "18", "19", "21"}
		posts = []string{"1", "2", "3"}
		if u.code == city.node {
			kind = "0"
		}
		phone = landline(city.area, &pr)
	case 9:
		kind, host, base, area, lawyers = "2", "4", r.between(2, 5), r.between(40, 120), r.below(3)
		functions = []string{"01", "02", "03", "16", "18", "19"}
		posts = []string{"1", "2"}
	default:
		if u.code[9] == '0' || u.code[9] == '1' {
			host = pick(&r, []string{"5", "6"})
		}
		if r.percent(60) {
			functions = append(functions, "19")
		}
	}
	code := u.code + kind + "01"
	o.str("venueCode", code)
	o.str("type", kind)
	o.str("name", u.venue)
	o.str("divisionCode", u.code)
	o.str("host", host)
	o.str("address", "陕西省", city.place(u), []string{"公共法律服务大厅", "司法所院内", "", "便民服务中心一楼"}[venueSpot(kind, &r)])
	o.boolean("isGroundFloor", r.percent(80))
	o.str("area", strconv.Itoa(area), ".", strconv.Itoa(r.below(10)))
	o.strs("zones", []string{"办公区", "服务区", "等候区"}[:min(base, 3)])
	o.strs("functions", functions)
	o.strs("posts", posts)
	o.integer("staffNum", base+staffs%5)
	o.integer("lawyerNum", lawyers)
	o.boolean("hasDisplay", kind < "2" || r.percent(30))
	o.boolean("hasKiosk", kind < "2" || r.percent(20))
	o.boolean("hasSuggestionBox", r.percent(85))
	o.boolean("isBarrierFree", r.percent(70))
	hours := openTimes
	if kind < "2" {
		hours = fullTime
	}
	o.str("openTime", hours[(r.below(len(hours))+times)%len(hours)])
	o.str("phone", phone)
	o.str("supervisePhone", "12348")
	o.str("manager", w.name(&r, r.percent(60)))
	o.date("openDate", today-moment(r.between(200, 2800))*day)
	o.str("status", "1")
	return code
}

// venueSpot chooses the last part of an address by the kind of venue.
func venueSpot(kind string, r *random) int {
	switch kind {
	case "0", "1":
		return 0
	case "2":
		return 1
	}
	return 2 + r.below(2)
}

func (w *world) committee(o *object, city *city, u *unit, i, v int, full bool) string {
	r := w.random(aboutCommittee, city.node, i, 0)
	phones, mediators, online := changes(v)
	home := u
	if len(u.code) == 9 {
		home = pick(&r, city.villages)
	}
	head := w.person(&r, home)
	kind := "1"
	switch street := u.code[6] == '0'; {
	case len(u.code) == 9 && street:
		kind = "4"
	case len(u.code) == 9:
		kind = "3"
	case u.code[9] == '0' || u.code[9] == '1' || u.code[9] == '4':
		kind = "2"
	}
	code := "TJW-" + u.code
	o.str("code", code)
	o.str("name", u.committee)
	o.str("type", kind)
	o.str("organizationForm", "基层群众性自治组织")
	o.str("director", head.name)
	if full {
		o.str("directorIdCard", head.id)
	}
	o.date("setupDate", today-moment(r.between(700, 8500))*day)
	o.str("setupPlace", strings.TrimPrefix(city.place(u), city.name))
	o.str("divisionCode", u.county())
	o.str("townCode", u.code[:9])
	if len(u.code) == 12 {
		o.str("villageCode", u.code)
	}
	o.str("admOrgName", city.bureau(u))
	o.integer("mediatorNum", r.between(3, 7)+mediators%4)
	pr := w.random(aboutCommittee, city.node, i, 1+phones)
	o.str("phone", mobile(&pr))
	o.str("address", "陕西省", city.place(u))
	o.boolean("openOnline", (r.below(2)+online)%2 == 1)
	o.str("introduction", "演示数据：名称按命名规则由区划代码表推导，人员和电话为虚构。主要调解邻里、婚姻家庭、土地承包和劳务纠纷。")
	return code
}

func (w *world) institutionCode(city *city, i int) string {
	at := w.institutions[city.node][i]
	serial := 43600000 + i + 1
	if city.node == Yanan {
		serial += 50
	}
	return creditCode("12", at.division, strconv.Itoa(serial))
}

func (w *world) institution(o *object, city *city, i, v int) string {
	at := w.institutions[city.node][i]
	r := w.random(aboutInstitution, city.node, i, 0)
	phones, staffs, times := changes(v)
	code, level, base := w.institutionCode(city, i), "03", r.between(4, 9)
	where := city.byCode[at.division]
	if at.division == city.node {
		level, base = "02", r.between(10, 18)
	}
	o.str("name", at.name)
	o.str("orgCode", code)
	o.str("nature", "3")
	o.str("level", level)
	o.str("manager", w.name(&r, r.percent(60)))
	o.integer("teamSize", base+staffs%4)
	o.integer("lawyerNum", base/2)
	o.integer("staffQuota", base+4)
	o.str("supervisorOrg", city.bureau(where))
	if level == "03" {
		o.str("parentOrg", w.institutions[city.node][0].name)
	}
	pr := w.random(aboutInstitution, city.node, i, 1+phones)
	o.str("phone", landline(city.area, &pr))
	o.str("worktime", fullTime[(r.below(len(fullTime))+times)%len(fullTime)])
	o.str("address", "陕西省", city.place(where), "公共法律服务中心一楼")
	o.boolean("hasHotline", level == "02")
	o.boolean("hasOnlineApply", r.percent(70))
	o.boolean("isGroundFloor", r.percent(80))
	o.boolean("isBarrierFree", r.percent(80))
	o.integer("workstationNum", r.between(8, 30))
	o.str("introduction", "演示数据：机构名称按命名规则推导，编号、人员和电话为虚构。受理法律援助申请，组织指派律师办理刑事、民事和行政法律援助案件。")
	return code
}

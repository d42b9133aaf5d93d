package desk

import (
	_ "embed"
	"fmt"
	"strings"
	"unicode/utf8"

	"fayi/adapters/hotline/ticket"
	"fayi/schemas"
	"fayi/schemas/formats"
)

//go:embed procedures.txt
var proceduresText string

// LegalPath is what to tell a citizen whose matter is in, or belongs to, a legal procedure; "" where a ticket may be made.
func LegalPath(procedure string) string {
	for line := range strings.Lines(proceduresText) {
		if code, text, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok && code == procedure {
			return text
		}
	}
	return ""
}

// checker collects faults of a case.
type checker struct{ faults schemas.Faults }

func (k *checker) fault(code, pointer, title, zh, en string) {
	k.faults = append(k.faults, schemas.Fault{Code: code, Pointer: pointer, Title: title, Message: zh, MessageEN: en})
}

func (k *checker) need(ok bool, pointer, title string) {
	if !ok {
		k.fault(schemas.CodeRequired, pointer, title, "缺少"+title, pointer+" is missing")
	}
}

func (k *checker) long(s, pointer, title string, limit int) {
	if n := utf8.RuneCountInString(s); n > limit {
		k.fault(schemas.CodeLength, pointer, title, fmt.Sprintf("%s有%d字，最多%d字", title, n, limit), fmt.Sprintf("%d characters, at most %d", n, limit))
	}
}

func (k *checker) code(list, value, pointer, title string) {
	if !ticket.Known(list, value) {
		k.fault(schemas.CodeCode, pointer, title, fmt.Sprintf("%s代码“%s”不在表中", title, value), fmt.Sprintf("%q is not in list %s", value, list))
	}
}

// CheckCase tells everything that keeps a case from being offered to a party with this interface. It does not quote
// personal data.
func CheckCase(c ticket.Case, about ticket.About) schemas.Faults {
	var k checker
	a, z := c.Appeal, c.Citizen
	k.code("appealType", a.AppealType, "/appeal/appealType", "诉求类型")
	k.code("channel", a.Channel, "/appeal/channel", "受理渠道")
	k.code("danger", a.Danger, "/appeal/dangerFlag", "危险标志")
	k.code("inProcedure", a.InProcedure, "/appeal/inProcedure", "法定程序")
	k.code("urgency", fmt.Sprint(a.Urgency), "/appeal/urgency", "紧急程度")
	k.need(a.Urgency != 1 || a.UrgencyBy != "", "/appeal/urgencyBy", "特急件的批准人")
	k.need(a.ClassCode != "", "/appeal/classCode", "诉求分类")
	k.need(strings.TrimSpace(a.Title) != "", "/appeal/title", "标题")
	k.need(strings.TrimSpace(a.Content) != "", "/appeal/content", "诉求内容")
	k.long(a.Title, "/appeal/title", "标题", 100)
	k.long(a.Content, "/appeal/content", "诉求内容", 10_000)
	k.long(a.Demand, "/appeal/demand", "主要诉求", 2_000)
	k.need(!a.ReceivedAt.IsZero(), "/appeal/receivedAt", "受理时间")
	k.division(a.Division)
	if a.Lon != "" || a.Lat != "" {
		if a.CRS != "CGCS2000" && a.CRS != "WGS84" && a.CRS != "GCJ02" {
			k.fault(schemas.CodeCode, "/appeal/crs", "坐标系", "坐标必须注明坐标系（CGCS2000、WGS84 或 GCJ02）", "coordinates need a reference system")
		}
	}
	if a.AppealType == "TS" || a.AppealType == "JB" {
		k.need(a.Respondent != nil && a.Respondent.Name != "", "/appeal/respondent/name", "被反映单位")
	}
	k.need(z.Anonymous || z.IsOrg && z.OrgName != "" || strings.TrimSpace(z.Name) != "", "/citizen/name", "诉求人姓名")
	if z.Phone != "" && (z.Secrecy == 0 || strings.ContainsAny(z.Phone, "0123456789")) { // under secrecy words may stand for it
		if err := formats.Phone(z.Phone); err != nil {
			k.fault(schemas.CodeFormat, "/citizen/phone", "联系电话", "联系电话格式不对", "the phone number is malformed")
		}
	} else if z.Phone == "" {
		k.need(z.ChannelID != "" || z.Anonymous, "/citizen/phone", "联系电话")
	}
	k.code("secrecy", fmt.Sprint(z.Secrecy), "/citizen/secrecy", "保密级别")
	if about.Can.NeedsPhone && (z.Consent == nil || !z.Consent.Given) {
		k.need(false, "/citizen/consent", "信息共享同意（对方要求提供电话）")
	}
	for i, f := range a.Attachments {
		k.code("attachmentKind", f.Kind, fmt.Sprintf("/appeal/attachments/%d/kind", i), "附件种类")
	}
	return k.faults
}

func (k *checker) division(code string) {
	n := len(code)
	if n != 6 && n != 9 && n != 12 {
		k.fault(schemas.CodeFormat, "/appeal/placeDivision", "事发地区划", "事发地区划代码应为6、9或12位，至少到县级", "a division code of 6, 9 or 12 digits is wanted")
		return
	}
	if err := formats.Division(code); err != nil {
		k.fault(schemas.CodeFormat, "/appeal/placeDivision", "事发地区划", "事发地区划代码无效", "the division code is not valid: "+err.Error())
	}
}

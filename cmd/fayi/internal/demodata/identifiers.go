package demodata

import "strconv"

// Network codes allotted to nobody in the ministry's table of March 2023: no number with them can be a subscriber's.
var mobilePrefixes = []string{"154", "160", "163", "164", "168", "169", "179", "194"}

// mobile returns an 11-digit number that cannot belong to anybody.
func mobile(r *random) string {
	return pick(r, mobilePrefixes) + digits(uint64(r.below(100000000)), 8)
}

// landline returns an office number that cannot be dialled: after the area code a local number never begins with 0, the trunk prefix.
func landline(area string, r *random) string {
	return area + "-000" + digits(uint64(r.below(10000)), 4)
}

func digits(v uint64, width int) string {
	var b [20]byte
	for i := width - 1; i >= 0; i-- {
		b[i] = byte('0' + v%10)
		v /= 10
	}
	return string(b[:width])
}

// citizenID returns a number under GB 11643: county, a birth in 1900, an odd sequence for men and an even one for women, check digit.
func citizenID(r *random, county string, male bool) (id, birthday string) {
	month := r.between(1, 12)
	last := [...]int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}[month-1] // 1900 was no leap year
	mm, dd := digits(uint64(month), 2), digits(uint64(r.between(1, last)), 2)
	seq := 2 * r.between(1, 499)
	if male {
		seq--
	}
	body := county + "1900" + mm + dd + digits(uint64(seq), 3)
	return body + string(idCheck(body)), "1900-" + mm + "-" + dd
}

// idCheck is the check digit of the first 17 characters (GB 11643: ISO 7064 MOD 11-2).
func idCheck(body string) byte {
	weights := [17]int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2}
	sum := 0
	for i, w := range weights {
		sum += w * int(body[i]-'0')
	}
	return "10X98765432"[sum%11]
}

const creditAlphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"

// creditCode returns a unified social credit code (GB 32100): department and class, division, organisation code with its own check
// digit (GB 11714), check digit.
func creditCode(class, division, organisation string) string {
	body := class + division + organisation + string(orgCheck(organisation))
	weights := [17]int{1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28}
	sum := 0
	for i, w := range weights {
		for v := range len(creditAlphabet) {
			if creditAlphabet[v] == body[i] {
				sum += w * v
				break
			}
		}
	}
	return body + string(creditAlphabet[(31-sum%31)%31])
}

// orgCheck is the ninth character of an organisation code of eight (GB 11714).
func orgCheck(code string) byte {
	weights := [8]int{3, 7, 9, 10, 5, 8, 4, 2}
	sum := 0
	for i, w := range weights {
		v := int(code[i] - '0')
		if code[i] >= 'A' {
			v = int(code[i]-'A') + 10
		}
		sum += w * v
	}
	switch c := 11 - sum%11; c {
	case 10:
		return 'X'
	case 11:
		return '0'
	default:
		return byte('0' + c)
	}
}

// lawyerLicence returns the 17 digits of a practising certificate: 1, province and prefecture of the firm, year of first practice,
// category, sex (0 male, 1 female), a serial that begins with 9.
func lawyerLicence(prefecture string, year int, category string, male bool, serial int) string {
	sex := "1"
	if male {
		sex = "0"
	}
	return "1" + prefecture[:4] + strconv.Itoa(year) + category + sex + "9" + digits(uint64(serial), 5)
}

// person is one synthetic citizen.
type person struct {
	name, gender, id, birthday, phone string
	male                              bool
	home                              *unit
}

func (p *person) surname() string { return string([]rune(p.name)[:1]) }

// person makes a citizen living in the village or community home.
func (c *corpus) person(r *random, home *unit) person {
	p := person{male: r.percent(52), home: home}
	p.gender = "2"
	if p.male {
		p.gender = "1"
	}
	p.name = c.name(r, p.male)
	p.id, p.birthday = citizenID(r, home.county(), p.male)
	p.phone = mobile(r)
	return p
}

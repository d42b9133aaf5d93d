package formats

import "strings"

// The functions in this file give the verdict of their namesakes about text that still lies in a buffer, without words for a defect and
// without allocating. ok(b) is X(string(b)) == nil for any bytes; TestBytesAgree holds them to it.

// DateBytes is the verdict of [Date].
func DateBytes(b []byte) bool {
	if len(b) != 10 || b[4] != '-' || b[7] != '-' {
		return false
	}
	y, okY := number(b[:4])
	m, okM := number(b[5:7])
	d, okD := number(b[8:10])
	return okY && okM && okD && y >= 1800 && realDate(y, m, d)
}

// DateTimeBytes is the verdict of [DateTime].
func DateTimeBytes(b []byte) bool {
	if len(b) < 25 || len(b) > 32 || b[10] != 'T' || b[13] != ':' || b[16] != ':' || !DateBytes(b[:10]) {
		return false
	}
	h, okH := number(b[11:13])
	m, okM := number(b[14:16])
	s, okS := number(b[17:19])
	if !okH || !okM || !okS || h > 23 || m > 59 || s > 59 {
		return false
	}
	zone := len(b) - 6
	if zone > 19 {
		if b[19] != '.' || zone < 21 {
			return false
		}
		if _, ok := number(b[20:zone]); !ok {
			return false
		}
	}
	h, okH = number(b[zone+1 : zone+3])
	m, okM = number(b[zone+4:])
	return (b[zone] == '+' || b[zone] == '-') && b[zone+3] == ':' && okH && okM && m <= 59 && h*60+m <= 14*60
}

// DecimalBytes is the verdict of [Decimal] with the same bounds.
func DecimalBytes(maxInt, maxFrac int, b []byte) bool {
	point := len(b)
	for i, c := range b {
		if c == '.' && point == len(b) {
			point = i
		} else if c < '0' || c > '9' {
			return false
		}
	}
	frac := max(0, len(b)-point-1)
	return point > 0 && point <= maxInt && frac <= maxFrac && (point == len(b) || frac > 0) && (point == 1 || b[0] != '0')
}

// ID18Bytes is the verdict of [ID18].
func ID18Bytes(b []byte) bool {
	if len(b) != 18 {
		return false
	}
	sum := 0
	for i, w := range idWeights {
		d := b[i] - '0'
		if d > 9 {
			return false
		}
		sum += int(d) * w
	}
	if idChecks[sum%11] != b[17] || !knownProvince(string(b[:2])) {
		return false
	}
	y, _ := number(b[6:10])
	m, _ := number(b[10:12])
	d, _ := number(b[12:14])
	return y >= earliestBirth && y <= latestBirth && realDate(y, m, d)
}

// usccValues holds the value of each character of a credit code, plus one; 0 is none.
var usccValues = func() (values [256]byte) {
	for i := range len(usccAlphabet) {
		values[usccAlphabet[i]] = byte(i) + 1
	}
	return values
}()

// USCCBytes is the verdict of [USCC].
func USCCBytes(b []byte) bool {
	if len(b) != 18 || strings.IndexByte(usccDepartments, b[0]) < 0 {
		return false
	}
	if _, ok := number(b[2:8]); !ok {
		return false
	}
	sum := 0
	for i, w := range usccWeights {
		v := int(usccValues[b[i]]) - 1
		if v < 0 {
			return false
		}
		sum += v * w
	}
	return usccAlphabet[(31-sum%31)%31] == b[17] && OrgCodeBytes(b[8:17])
}

// OrgCodeBytes is the verdict of [OrgCode].
func OrgCodeBytes(b []byte) bool {
	if len(b) != 9 {
		return false
	}
	sum := 0
	for i, w := range orgWeights {
		switch c := b[i]; {
		case c >= '0' && c <= '9':
			sum += int(c-'0') * w
		case c >= 'A' && c <= 'Z':
			sum += int(c-'A'+10) * w
		default:
			return false
		}
	}
	return "0X987654321"[sum%11] == b[8]
}

// DivisionBytes is the verdict of [Division].
func DivisionBytes(b []byte) bool { return divisionBytes(b, false) }

// DivisionPastBytes is the verdict of [DivisionPast].
func DivisionPastBytes(b []byte) bool { return divisionBytes(b, true) }

func divisionBytes(b []byte, past bool) bool {
	if len(b) != 6 && len(b) != 9 && len(b) != 12 {
		return false
	}
	if p, known := places()[string(b[:6])]; !known || p.retired && !past {
		return false
	}
	if len(b) == 6 {
		return true
	}
	if b[4] == '0' && b[5] == '0' && !countyless[string(b[:4])] {
		return false
	}
	for ; len(b) >= 9; b = b[3:] {
		if n, ok := number(b[6:9]); !ok || n == 0 || n > 599 {
			return false
		}
	}
	return true
}

// LawyerLicence17Bytes is the verdict of [LawyerLicence17].
func LawyerLicence17Bytes(b []byte) bool { return len(b) == 17 && LawyerLicence17(string(b)) == nil }

// LegalQualification14Bytes is the verdict of [LegalQualification14].
func LegalQualification14Bytes(b []byte) bool {
	return (len(b) == 14 || len(b) == 15) && LegalQualification14(string(b)) == nil
}

// PhoneBytes is the verdict of [Phone]. One number of digits and hyphens is judged here; whatever is written otherwise is handed on.
func PhoneBytes(b []byte) bool {
	var buf [24]byte
	n := 0
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9' && n < len(buf):
			buf[n] = c
			n++
		case c == '-':
		default:
			return Phone(string(b)) == nil
		}
	}
	return national(string(buf[:n])) || Phone(string(b)) == nil
}

// CallerNumberBytes is the verdict of [CallerNumber].
func CallerNumberBytes(b []byte) bool { return string(b) == Hidden || PhoneBytes(b) }

// number reads ASCII digits; ok is false if there is anything else. b must be short enough for an int.
func number(b []byte) (n int, ok bool) {
	for _, c := range b {
		c -= '0'
		if c > 9 {
			return 0, false
		}
		n = n*10 + int(c)
	}
	return n, true
}

package demodata

import (
	"slices"
	"strconv"
	"time"
)

// object builds one compact JSON object, members in the order written, UTF-8 unescaped. It is reused from record to record.
type object struct {
	buf []byte
	at  []span
}

// span is where a member's value lies in buf.
type span struct {
	name     string
	from, to int
}

func (o *object) reset() {
	o.buf = append(o.buf[:0], '{')
	o.at = o.at[:0]
}

// bytes returns the closed object in memory of its own.
func (o *object) bytes() []byte {
	out := make([]byte, len(o.buf)+1)
	copy(out, o.buf)
	out[len(o.buf)] = '}'
	return out
}

func (o *object) open(name string) {
	if len(o.at) > 0 {
		o.buf = append(o.buf, ',')
	}
	o.buf = append(o.buf, '"')
	o.buf = append(o.buf, name...)
	o.buf = append(o.buf, '"', ':')
	o.at = append(o.at, span{name: name, from: len(o.buf)})
}

func (o *object) done() { o.at[len(o.at)-1].to = len(o.buf) }

// str writes the parts as one string.
func (o *object) str(name string, parts ...string) {
	o.open(name)
	o.buf = append(o.buf, '"')
	for _, p := range parts {
		o.buf = appendEscaped(o.buf, p)
	}
	o.buf = append(o.buf, '"')
	o.done()
}

func (o *object) strs(name string, values []string) {
	o.open(name)
	o.buf = append(o.buf, '[')
	for i, v := range values {
		if i > 0 {
			o.buf = append(o.buf, ',')
		}
		o.buf = append(o.buf, '"')
		o.buf = appendEscaped(o.buf, v)
		o.buf = append(o.buf, '"')
	}
	o.buf = append(o.buf, ']')
	o.done()
}

func (o *object) integer(name string, v int) {
	o.open(name)
	o.buf = strconv.AppendInt(o.buf, int64(v), 10)
	o.done()
}

func (o *object) boolean(name string, v bool) {
	o.open(name)
	o.buf = strconv.AppendBool(o.buf, v)
	o.done()
}

// money writes yuan as the decimal string the packs want.
func (o *object) money(name string, yuan int) { o.str(name, strconv.Itoa(yuan), ".00") }

func (o *object) date(name string, m moment) {
	o.open(name)
	o.buf = append(o.buf, '"')
	o.buf = m.time().AppendFormat(o.buf, time.DateOnly)
	o.buf = append(o.buf, '"')
	o.done()
}

func (o *object) datetime(name string, m moment) {
	o.open(name)
	o.buf = append(o.buf, '"')
	o.buf = m.time().AppendFormat(o.buf, "2006-01-02T15:04:05")
	o.buf = append(o.buf, `+08:00"`...)
	o.done()
}

// raw writes a value that is JSON already.
func (o *object) raw(name, value string) {
	o.open(name)
	o.buf = append(o.buf, value...)
	o.done()
}

// value returns the member's JSON, or "" if it is absent.
func (o *object) value(name string) string {
	for _, s := range o.at {
		if s.name == name {
			return string(o.buf[s.from:s.to])
		}
	}
	return ""
}

// rewrite writes the object again, each member's value as change returns it; "" leaves the member out.
func (o *object) rewrite(change func(name, value string) string) {
	old := object{buf: slices.Clone(o.buf), at: slices.Clone(o.at)}
	o.reset()
	for _, s := range old.at {
		if v := change(s.name, string(old.buf[s.from:s.to])); v != "" {
			o.raw(s.name, v)
		}
	}
}

// set replaces the value of a member.
func (o *object) set(name, value string) {
	o.rewrite(func(n, v string) string {
		if n == name {
			return value
		}
		return v
	})
}

// drop removes a member.
func (o *object) drop(name string) { o.set(name, "") }

func appendEscaped(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ':
			const hex = "0123456789abcdef"
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
	}
	return b
}

// moment is a time of day in China (UTC+8, without summer time), in seconds, counted as if it were UTC.
type moment int64

const (
	minute moment = 60
	hour          = 60 * minute
	day           = 24 * hour
)

// today is the demo's last day, 2026-11-20: nothing generated lies after it.
const today = 20777 * day

func (m moment) time() time.Time { return time.Unix(int64(m), 0).UTC() }

func (m moment) midnight() moment { return m - m%day }

// workday is the beginning of m's day, or of the next Monday if that day is a weekend. Public holidays are not looked at.
func (m moment) workday() moment {
	m = m.midnight()
	switch m.time().Weekday() {
	case time.Saturday:
		return m + 2*day
	case time.Sunday:
		return m + day
	}
	return m
}

// atWork returns a moment in office hours of m's working day.
func (m moment) atWork(r *random) moment {
	m = m.workday()
	if r.percent(60) {
		return m + 8*hour + 30*minute + moment(r.below(int(3*hour)))
	}
	return m + 14*hour + moment(r.below(int(4*hour)))
}

// compact writes the date as yyyyMMdd.
func (m moment) compact() string { return m.time().Format("20060102") }

func (m moment) year() string { return m.time().Format("2006") }

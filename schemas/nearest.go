package schemas

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	shownRunes = 60 // of a value in a fault
	listedAll  = 12 // codes of a table that are listed whole
	listedNear = 6  // codes listed of a larger table
)

// clip shortens a text to what a message can hold.
func clip(s string) string {
	if utf8.RuneCountInString(s) <= shownRunes {
		return s
	}
	return string([]rune(s)[:shownRunes]) + "…"
}

// shown is the value as a fault may show it: whole or shortened, or masked where the class says so. Of a masked number the first three and
// last two characters remain, so that its owner recognises it; of a masked text only its length.
func shown(s, class string) string {
	if class != Sensitive {
		return clip(s)
	}
	n := utf8.RuneCountInString(s)
	number := n >= 11 && n <= 20 && strings.Trim(s, "0123456789Xx-") == ""
	if number {
		return s[:3] + strings.Repeat("*", n-5) + s[n-2:]
	}
	return fmt.Sprintf("（已遮蔽，%d个字）", n)
}

// nearest returns the name most like s among names, "" if none is alike.
func nearest(s string, names []string) string {
	if len(s) > 64 {
		return ""
	}
	best, dist := "", 1+max(1, len(s)/3)
	for _, n := range names {
		if strings.EqualFold(n, s) {
			return n
		}
		if d := distance(strings.ToLower(s), strings.ToLower(n)); d < dist {
			best, dist = n, d
		}
	}
	return best
}

// distance is the number of characters to insert, delete, replace or exchange with a neighbour to make b of a (optimal string alignment).
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	before, prev, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, prev, row = prev, row, before
	}
	return prev[len(y)]
}

// common is the number of bytes a and b begin with alike.
func common(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// byName finds the item whose name, in whole or without a trailing 性 or bracket, was written in place of its code.
func byName(s string, items []Item) (Item, bool) {
	s = strings.TrimSpace(s)
	if s == "" || len(s) > 200 {
		return Item{}, false
	}
	for _, it := range items {
		short, _, _ := strings.Cut(it.Name, "(")
		if s == it.Name || s == short || s == strings.TrimSuffix(it.Name, "性") {
			return it, true
		}
	}
	return Item{}, false
}

// listCodes lists the whole table if it is short, otherwise the codes nearest to s.
func listCodes(s string, items []Item) string {
	more := ""
	if len(items) > listedAll {
		items = slices.Clone(items)
		if len(s) > 64 {
			s = ""
		}
		slices.SortStableFunc(items, func(a, b Item) int {
			return cmp.Or(cmp.Compare(distance(s, a.Code), distance(s, b.Code)), cmp.Compare(common(s, b.Code), common(s, a.Code)))
		})
		more = fmt.Sprintf("等%d个", len(items))
		items = items[:listedNear]
	}
	var list []string
	for _, it := range items {
		list = append(list, it.Code+" "+it.Name)
	}
	return strings.Join(list, "、") + more
}

package bench

import (
	"fmt"
	"html"
	"io"
	"math"
	"strings"
)

// Chart draws a report as an SVG image: a group of bars for each row, ours and the others', each group on a scale of its
// own. Times are better short, everything else long.
func Chart(w io.Writer, rep *Report) error {
	const (
		width, left, right = 980.0, 330.0, 110.0
		bar, gap, head     = 16.0, 5.0, 26.0
	)
	var b strings.Builder
	y := 64.0
	for _, r := range rep.Rows {
		bars := r.bars()
		if len(bars) == 0 {
			continue
		}
		fmt.Fprintf(&b, `<text x="16" y="%.0f" class="h">%s</text><text x="%.0f" y="%.0f" class="u">%s</text>`+"\n",
			y, esc(r.En), width-16, y, esc(r.Unit+"; target "+r.Target))
		y += 10
		top := 0.0
		for _, m := range bars {
			top = max(top, m.Value)
		}
		for i, m := range bars {
			length := max(1, (width-left-right)*m.Value/top)
			class := "o"
			if i == 0 || strings.HasPrefix(m.Name, "fayi") {
				class = "f"
			}
			fmt.Fprintf(&b, `<text x="%.0f" y="%.1f" class="n">%s</text><rect x="%.0f" y="%.1f" width="%.1f" height="%.0f" class="%s"/><text x="%.1f" y="%.1f" class="v">%s</text>`+"\n",
				left-8, y+12.5, esc(m.Name), left, y, length, bar, class, left+length+6, y+12.5, number(m.Value))
			y += bar + gap
		}
		y += head
	}
	m := rep.Machine
	_, err := fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="0 0 %.0f %.0f" font-family="system-ui,'Noto Sans CJK SC',sans-serif">
<style>.t{font-size:17px;font-weight:600}.h{font-size:13px;font-weight:600}.u{font-size:11px;fill:#666;text-anchor:end}.n{font-size:12px;text-anchor:end}.v{font-size:12px;fill:#333}.f{fill:#b3261e}.o{fill:#9aa5b1}</style>
<rect width="100%%" height="100%%" fill="#fff"/>
<text x="16" y="26" class="t">fayi bench, %s</text>
<text x="16" y="43" class="u" style="text-anchor:start">%s</text>
%s</svg>
`, width, y, width, y, rep.Started.Format("2006-01-02"),
		esc(fmt.Sprintf("%d × %s, %s, MariaDB %s, load %.1f when it began", m.Cores, m.CPU, m.Go, m.MariaDB, m.LoadBefore)), b.String())
	return err
}

// bars are what was measured in a row, ours first.
func (r *Row) bars() []Measure {
	var out []Measure
	for _, m := range append([]Measure{r.Ours}, r.Others...) {
		if m.Value > 0 && m.Error == "" {
			out = append(out, m)
		}
	}
	return out
}

func esc(s string) string { return html.EscapeString(s) }

// number writes thousands apart, and few decimals.
func number(v float64) string {
	if v < 100 {
		return fmt.Sprintf("%.3g", v)
	}
	s := fmt.Sprintf("%.0f", math.Round(v))
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Markdown writes a report as the table of docs/benchmarks.md.
func Markdown(w io.Writer, rep *Report) error {
	var b strings.Builder
	b.WriteString("| row | ours | unit | others | ratio | target | reached |\n|---|---|---|---|---|---|---|\n")
	for _, r := range rep.Rows {
		var others []string
		for _, o := range r.Others {
			switch {
			case o.Error != "":
				others = append(others, o.Name+": not run")
			default:
				others = append(others, strings.TrimSpace(o.Name+" "+number(o.Value)))
			}
		}
		ratio, reached := "", "no"
		if r.Ratio > 0 {
			ratio = fmt.Sprintf("**%.3g ×** %s", r.Ratio, r.Against)
		}
		if r.Reached {
			reached = "yes"
		}
		ours := number(r.Ours.Value)
		if r.Error != "" {
			ours, reached = "failed: "+r.Error, "no"
		}
		fmt.Fprintf(&b, "| %s: %s | **%s** | %s | %s | %s | %s | %s |\n", r.Name, r.En, ours, r.Unit, strings.Join(others, "; "), ratio, r.Target, reached)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

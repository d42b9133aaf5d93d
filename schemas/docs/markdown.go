package packdoc

import (
	"fmt"
	"strings"
	"unicode"
)

// markdown builds one page in CommonMark with the tables of GFM.
type markdown struct{ strings.Builder }

func (m *markdown) line(format string, args ...any) { fmt.Fprintf(m, format+"\n", args...) }

// heading is level 1 to 3; the text must be escaped.
func (m *markdown) heading(level int, text string) {
	m.line("\n%s %s\n", strings.Repeat("#", level), text)
}

// table writes rows of escaped cells, the first one as the head.
func (m *markdown) table(rows [][]string) {
	for i, r := range rows {
		m.line("| %s |", strings.Join(r, " | "))
		if i == 0 {
			m.line("|%s", strings.Repeat("---|", len(r)))
		}
	}
}

// fence writes a block of code whose fence is longer than any run of backquotes in it.
func (m *markdown) fence(lang, code string) {
	longest, run := 2, 0
	for _, r := range code {
		if r != '`' {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	f := strings.Repeat("`", longest+1)
	m.line("%s%s\n%s\n%s", f, lang, code, f)
}

// md escapes text so that Markdown shows it as it is: what could mean something is escaped, brackets of tags become entities (for renderers
// that do not know all escapes), line ends and other control characters become spaces.
func md(s string) string {
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s))
	var b strings.Builder
	digits := true // nothing but digits so far: "1." would begin a list
	for i, r := range s {
		switch {
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '&':
			b.WriteString("&amp;")
		case strings.ContainsRune("\\`*_[]|~#$", r), i == 0 && strings.ContainsRune("-+=:!", r), digits && (r == '.' || r == ')'):
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
		digits = digits && r >= '0' && r <= '9'
	}
	return b.String()
}

// code shows text in the type of code. It is escaped like any other, for a backquoted one could not hold a pipe inside a table.
func code(s string) string {
	if s == "" {
		return ""
	}
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.,[]-") == "" {
		return "`" + s + "`"
	}
	return "<code>" + md(s) + "</code>"
}

func (l Link) markdown() string {
	switch {
	case l.Type != "":
		return fmt.Sprintf("[%s](%s.md)", md(l.Text), l.Type)
	case l.Code != "":
		return fmt.Sprintf("[%s](../codes.md#%s)", md(l.Text), l.Code)
	}
	return md(l.Text)
}

func markdownLinks(links []Link) string {
	words := make([]string, len(links))
	for i, l := range links {
		words[i] = l.markdown()
	}
	return strings.Join(words, "、")
}

func templateLinks(up, name string) string {
	return fmt.Sprintf("[XLSX](%stemplates/%s.xlsx)、[CSV](%stemplates/%s.csv)", up, name, up, name)
}

func (p *TypePage) markdown() []byte {
	m := &markdown{}
	m.line("# %s %s\n", md(p.Title), code(p.Name))
	m.line("[全部记录类型](../index.md)\n")
	m.line("%s\n", md(p.Purpose))
	rows := [][]string{{"项目", "内容"}}
	for _, f := range p.Facts {
		rows = append(rows, []string{md(f.Name), md(f.Value) + markdownLinks(f.Links)})
	}
	m.table(rows)
	if !p.System {
		m.line("\n填报模板：%s", templateLinks("../", p.Name))
	}
	m.heading(2, "字段")
	rows = [][]string{{"字段名", "中文名", "类型", "要求", "代码表或引用", "敏感等级", "来源标记"}}
	for _, f := range p.Fields {
		need := f.Need
		if f.Sometimes {
			need += "\\*"
		}
		rows = append(rows, []string{code(f.Parent + f.Name), md(f.Title), strings.TrimSpace(code(f.Notation) + " " + md(f.Limits)), need, markdownLinks(f.Links), md(f.Sensitivity), md(f.Marks)})
	}
	m.table(rows)
	if p.Sometimes {
		m.line("\n\\* 在一定条件下必填，见“约束”。")
	}
	m.heading(2, "约束")
	if len(p.Rules) == 0 {
		m.line("除各字段自身的要求外，没有跨字段的约束。")
	} else {
		m.line("除各字段自身的要求外，还须符合：\n")
	}
	for i, r := range p.Rules {
		m.line("%d. %s", i+1, md(r.Words))
		if r.JSON != "" {
			m.line("   %s", code(r.JSON))
		}
	}
	m.heading(2, "示例")
	switch {
	case p.Example == "":
		m.line("没有示例：未能按规范自动生成一条合格的记录。")
	case p.ExampleGiven:
		m.line("人物、单位、编号均为虚构。已通过本规范检查。\n")
		m.fence("json", p.Example)
	default:
		m.line("人物、单位、编号均为虚构。本示例由程序按规范生成，文字只说明填写位置。已通过本规范检查。\n")
		m.fence("json", p.Example)
	}
	if len(p.Tables) > 0 {
		m.heading(2, "代码表")
	}
	for _, t := range p.Tables {
		if !t.Inline() {
			m.line("- [%s](../codes.md#%s) %s：共 %d 项", md(t.Title), t.Anchor, code(t.Name), len(t.Items))
			continue
		}
		items := make([]string, len(t.Items))
		for i, it := range t.Items {
			items[i] = code(it.Code) + " " + md(it.Name)
		}
		m.line("- [%s](../codes.md#%s) %s：%s", md(t.Title), t.Anchor, code(t.Name), strings.Join(items, "；"))
	}
	m.legend()
	if len(p.Sources) > 0 {
		m.heading(2, "字段来源")
		m.line("以下照录规范包中的出处与备注。\n")
		rows = [][]string{{"字段名", "出处", "规则原文", "备注"}}
		for _, s := range p.Sources {
			rows = append(rows, []string{code(s.Path), md(s.Source), md(s.Rule), md(s.Note)})
		}
		m.table(rows)
	}
	return []byte(m.String())
}

func (m *markdown) legend() {
	m.heading(2, "说明")
	for _, part := range legends {
		m.line("**%s**\n", md(part.Title))
		for _, l := range part.Terms {
			m.line("- **%s**　%s", md(l.Term), md(l.Words))
		}
		m.line("")
	}
}

func (b *Book) indexMarkdown() []byte {
	m := &markdown{}
	m.line("# 数据规范：记录类型\n")
	m.line("共 %d 种记录类型、%d 张代码表。本目录由规范包生成，规范包改了，重新生成即可。\n", len(b.Types), len(b.Tables))
	m.line("[全部代码表](codes.md)\n")
	rows := [][]string{{"名称", "类型名", "主键", "字段", "必填", "应填", "填报模板"}}
	for _, t := range b.Types {
		title := fmt.Sprintf("[%s](types/%s.md)", md(t.Title), t.Name)
		if t.System {
			title += " 协议自用"
		}
		forms := ""
		if !t.System {
			forms = templateLinks("", t.Name)
		}
		rows = append(rows, []string{title, code(t.Name), md(t.Key), fmt.Sprint(t.All), fmt.Sprint(t.Required), fmt.Sprint(t.Expected), forms})
	}
	m.table(rows)
	m.legend()
	return []byte(m.String())
}

func (b *Book) codesMarkdown() []byte {
	m := &markdown{}
	m.line("# 代码表\n\n[全部记录类型](index.md)\n\n共 %d 张。来源标记依次为代码、名称。", len(b.Tables))
	for _, t := range b.Tables {
		m.line("\n<a id=\"%s\"></a>", t.Anchor)
		m.heading(2, md(t.Title)+" "+code(t.Name))
		about := "来源标记 " + md(t.Marks)
		for _, part := range [][2]string{{"出处", t.Source}, {"备注", t.Note}} {
			if part[1] != "" {
				about += "；" + part[0] + " " + md(part[1])
			}
		}
		var users []string
		for _, l := range t.UsedBy {
			users = append(users, fmt.Sprintf("[%s](types/%s.md)", md(l.Text), l.Type))
		}
		if len(users) > 0 {
			about += "；用于 " + strings.Join(users, "、")
		}
		m.line("%s\n", about)
		rows := [][]string{{"代码", "名称"}}
		if t.Tree {
			rows[0] = append(rows[0], "上级代码")
		}
		for _, it := range t.Items {
			row := []string{code(it.Code), md(it.Name)}
			if t.Tree {
				row = append(row, code(it.Parent))
			}
			rows = append(rows, row)
		}
		m.table(rows)
	}
	return []byte(m.String())
}

package packdoc

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"
	"time"
)

// A workbook of Office Open XML (ECMA-376), as little of it as a form needs: cells with inline text, four styles, frozen rows, columns in
// text format, drop-down lists. Cells are text, never formulas.

// Styles, in the order of cellXfs below.
const (
	styleHead = 1
	styleNote = 2
	styleText = 3 // number format 49, "@": a spreadsheet keeps leading zeros and long numbers as typed
)

type sheet struct {
	name    string
	rows    [][]string
	styles  []int // of each row
	frozen  int   // rows that stay in sight
	widths  []int // of columns, in characters; 18 where none is given
	columns []column
}

// column is what holds for the empty cells below the head of a form.
type column struct {
	text   bool   // text format
	title  string // over the prompt
	prompt string
	list   string // the formula of a drop-down list, "" for none
}

func (s *sheet) add(style int, cells ...string) {
	s.rows, s.styles = append(s.rows, cells), append(s.styles, style)
}

func (s *sheet) width() int {
	n := len(s.columns)
	for _, r := range s.rows {
		n = max(n, len(r))
	}
	return n
}

// column fills one column of a sheet from its head down.
func (s *sheet) column(at int, head string, cells []string) {
	for i, text := range append([]string{head}, cells...) {
		if i == len(s.rows) {
			s.add(styleText)
		}
		for len(s.rows[i]) < at {
			s.rows[i] = append(s.rows[i], "")
		}
		s.rows[i] = append(s.rows[i], text)
	}
	s.styles[0] = styleHead
}

// letters names a column: 0 is A, 26 is AA.
func letters(n int) string {
	if n < 26 {
		return string(rune('A' + n))
	}
	return letters(n/26-1) + letters(n%26)
}

// escaped is text for XML; characters XML cannot hold become U+FFFD.
func escaped(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder does not fail
	return b.String()
}

const (
	xmlHead = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n"
	nsMain  = `xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"`
	office  = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
	pkgRels = `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">`

	lastRow = 10000 // lists and prompts reach so far down
)

const stylesXML = `<styleSheet ` + nsMain + `><fonts count="3"><font><sz val="11"/><name val="Calibri"/></font><font><b/><sz val="11"/><name val="Calibri"/></font>` +
	`<font><sz val="9"/><color rgb="FF57606A"/><name val="Calibri"/></font></fonts>` +
	`<fills count="3"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill><fill><patternFill patternType="solid"><fgColor rgb="FFE8EEF5"/></patternFill></fill></fills>` +
	`<borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="4"><xf/>` +
	`<xf numFmtId="49" fontId="1" fillId="2" applyNumberFormat="1" applyFont="1" applyFill="1"/>` +
	`<xf numFmtId="49" fontId="2" applyNumberFormat="1" applyFont="1" applyAlignment="1"><alignment vertical="top" wrapText="1"/></xf>` +
	`<xf numFmtId="49" applyNumberFormat="1"/></cellXfs></styleSheet>`

// workbook writes the sheets as an XLSX file; the same sheets give the same bytes.
func workbook(sheets []sheet) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	var failed error
	put := func(name, body string) {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)})
		if err == nil {
			_, err = w.Write([]byte(xmlHead + body))
		}
		if err != nil && failed == nil {
			failed = err
		}
	}
	var types, list, rels strings.Builder
	for i, s := range sheets {
		n := i + 1
		fmt.Fprintf(&types, `<Override PartName="/xl/worksheets/sheet%d.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>`, n)
		fmt.Fprintf(&list, `<sheet name="%s" sheetId="%d" r:id="rId%d"/>`, escaped(s.name), n, n)
		fmt.Fprintf(&rels, `<Relationship Id="rId%d" Type="%s/worksheet" Target="worksheets/sheet%d.xml"/>`, n, office, n)
	}
	put("[Content_Types].xml", `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>`+
		`<Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>`+
		`<Override PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/>`+types.String()+`</Types>`)
	put("_rels/.rels", pkgRels+`<Relationship Id="rId1" Type="`+office+`/officeDocument" Target="xl/workbook.xml"/></Relationships>`)
	put("xl/workbook.xml", `<workbook `+nsMain+` xmlns:r="`+office+`"><sheets>`+list.String()+`</sheets></workbook>`)
	put("xl/_rels/workbook.xml.rels", pkgRels+rels.String()+fmt.Sprintf(`<Relationship Id="rId%d" Type="%s/styles" Target="styles.xml"/></Relationships>`, len(sheets)+1, office))
	put("xl/styles.xml", stylesXML)
	for i, s := range sheets {
		put(fmt.Sprintf("xl/worksheets/sheet%d.xml", i+1), s.xml())
	}
	if err := z.Close(); failed == nil {
		failed = err
	}
	return b.Bytes(), failed
}

// xml writes one sheet; the order of its parts is fixed by the standard.
func (s *sheet) xml() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<worksheet %s><sheetViews><sheetView workbookViewId="0"><pane ySplit="%d" topLeftCell="A%d" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><cols>`, nsMain, s.frozen, s.frozen+1)
	for i := range s.width() {
		wide, style := 18, styleText
		if i < len(s.widths) {
			wide = s.widths[i]
		}
		if i < len(s.columns) && !s.columns[i].text {
			style = 0
		}
		fmt.Fprintf(&b, `<col min="%d" max="%d" width="%d" customWidth="1" style="%d"/>`, i+1, i+1, wide, style)
	}
	b.WriteString(`</cols><sheetData>`)
	for r, cells := range s.rows {
		fmt.Fprintf(&b, `<row r="%d">`, r+1)
		for c, text := range cells {
			if text != "" {
				fmt.Fprintf(&b, `<c r="%s%d" s="%d" t="inlineStr"><is><t xml:space="preserve">%s</t></is></c>`, letters(c), r+1, s.styles[r], escaped(text))
			}
		}
		b.WriteString(`</row>`)
	}
	b.WriteString(`</sheetData>`)
	if len(s.columns) > 0 {
		fmt.Fprintf(&b, `<dataValidations count="%d">`, len(s.columns))
		for i, c := range s.columns {
			kind, rule := "", ""
			if c.list != "" {
				kind, rule = ` type="list" errorStyle="warning" showErrorMessage="1"`, `<formula1>`+escaped(c.list)+`</formula1>`
			}
			title := []rune(c.title)
			fmt.Fprintf(&b, `<dataValidation%s allowBlank="1" showInputMessage="1" promptTitle="%s" prompt="%s" sqref="%s%d:%s%d">%s</dataValidation>`, kind,
				escaped(string(title[:min(len(title), 16)])), escaped(c.prompt), letters(i), s.frozen+1, letters(i), lastRow, rule)
		}
		b.WriteString(`</dataValidations>`)
	}
	b.WriteString(`</worksheet>`)
	return b.String()
}

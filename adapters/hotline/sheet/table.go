package sheet

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"

	"fayi/gateway/outer"

	"github.com/xuri/excelize/v2"
)

// Bounds of one file.
const (
	MaxFile     = 20 << 20
	maxUnpacked = 100 << 20
	maxEntries  = 200
	maxRatio    = 100
	maxRows     = 20_000
	maxColumns  = 200
	maxCell     = 32_767 // characters, as Excel has it
)

// Errors of files that are not read.
var (
	ErrFile   = errors.New("no spreadsheet that can be read")
	ErrBounds = errors.New("spreadsheet out of bounds")
	ErrLinks  = errors.New("spreadsheet refers to other files")
)

// table reads the cells of the first sheet, as they are stored: numbers and dates
// unformatted.
func table(data []byte) ([][]string, error) {
	if len(data) > MaxFile {
		return nil, fmt.Errorf("%w: over 20 MiB", ErrBounds)
	}
	var rows [][]string
	var err error
	if bytes.HasPrefix(data, []byte("PK\x03\x04")) {
		rows, err = readXLSX(data)
	} else {
		rows, err = readCSV(data)
	}
	if err != nil {
		return nil, err
	}
	for i, r := range rows {
		if i >= maxRows || len(r) > maxColumns {
			return nil, fmt.Errorf("%w: over %d rows or %d columns", ErrBounds, maxRows, maxColumns)
		}
		for j, c := range r {
			if len([]rune(c)) > maxCell {
				return nil, fmt.Errorf("%w: cell of row %d", ErrBounds, i+1)
			}
			r[j] = strings.TrimSpace(strings.TrimPrefix(c, "'")) // the mark of text, which export sets too
		}
	}
	return rows, nil
}

func readXLSX(data []byte) (rows [][]string, err error) {
	defer func() { // a damaged file must not end the process
		if p := recover(); p != nil {
			rows, err = nil, fmt.Errorf("%w: damaged", ErrFile)
		}
	}()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("%w: no archive", ErrFile)
	}
	if len(z.File) > maxEntries {
		return nil, fmt.Errorf("%w: %d entries", ErrBounds, len(z.File))
	}
	var total uint64
	for _, f := range z.File {
		if strings.Contains(strings.ToLower(f.Name), "externallink") {
			return nil, ErrLinks
		}
		// What an entry says of its size may be a lie; what comes out of it is not.
		rc, err := f.Open()
		if err != nil {
			return nil, fmt.Errorf("%w: entry", ErrFile)
		}
		n, err := io.Copy(io.Discard, io.LimitReader(rc, maxUnpacked+1))
		rc.Close()
		if err != nil {
			return nil, fmt.Errorf("%w: entry", ErrFile)
		}
		if total += uint64(n); total > maxUnpacked || uint64(n) > 1<<20 && uint64(n) > maxRatio*max(f.CompressedSize64, 1) {
			return nil, fmt.Errorf("%w: unpacked size", ErrBounds)
		}
	}
	x, err := excelize.OpenReader(bytes.NewReader(data), excelize.Options{UnzipSizeLimit: maxUnpacked, UnzipXMLSizeLimit: maxUnpacked, RawCellValue: true})
	if err != nil {
		return nil, fmt.Errorf("%w: not XLSX", ErrFile)
	}
	defer x.Close()
	sheets := x.GetSheetList()
	if len(sheets) == 0 {
		return nil, fmt.Errorf("%w: no sheet", ErrFile)
	}
	it, err := x.Rows(sheets[0])
	if err != nil {
		return nil, fmt.Errorf("%w: rows", ErrFile)
	}
	defer it.Close()
	for it.Next() {
		r, err := it.Columns(excelize.Options{RawCellValue: true})
		if err != nil {
			return nil, fmt.Errorf("%w: row %d", ErrFile, len(rows)+1)
		}
		if rows = append(rows, r); len(rows) > maxRows {
			return nil, fmt.Errorf("%w: over %d rows", ErrBounds, maxRows)
		}
	}
	return rows, nil
}

func readCSV(data []byte) ([][]string, error) {
	text, err := outer.Decode(data, "", outer.GB18030)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFile, err)
	}
	r := csv.NewReader(bytes.NewReader(text))
	r.FieldsPerRecord, r.LazyQuotes = -1, false
	first, _, _ := bytes.Cut(text, []byte("\n"))
	if bytes.Count(first, []byte("\t")) > bytes.Count(first, []byte(",")) {
		r.Comma = '\t'
	}
	var rows [][]string
	for {
		rec, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		var pe *csv.ParseError
		if errors.As(err, &pe) {
			return nil, fmt.Errorf("%w: line %d", ErrFile, pe.Line)
		}
		if err != nil {
			return nil, err
		}
		if rows = append(rows, rec); len(rows) > maxRows {
			return nil, fmt.Errorf("%w: over %d rows", ErrBounds, maxRows)
		}
	}
}

// safe is a cell that no spreadsheet computes.
func safe(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

// write makes a file of one header row and rows; the first column is hidden.
func write(format string, rows [][]string) ([]byte, error) {
	if format == "csv" {
		var b bytes.Buffer
		b.WriteString("\ufeff") // so that spreadsheets see UTF-8
		w := csv.NewWriter(&b)
		for _, r := range rows {
			out := make([]string, len(r))
			for i, c := range r {
				out[i] = safe(c)
			}
			if err := w.Write(out); err != nil {
				return nil, err
			}
		}
		w.Flush()
		return b.Bytes(), w.Error()
	}
	x := excelize.NewFile()
	defer x.Close()
	const sheet = "Sheet1"
	for i, r := range rows {
		for j, c := range r {
			at, err := excelize.CoordinatesToCellName(j+1, i+1)
			if err != nil {
				return nil, err
			}
			if err := x.SetCellStr(sheet, at, c); err != nil { // a text cell is never computed
				return nil, err
			}
		}
	}
	if err := x.SetColVisible(sheet, "A", false); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	_, err := x.WriteTo(&b)
	return b.Bytes(), err
}

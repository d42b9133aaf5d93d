// Command mkdata makes the files embedded by package demodata from the project's collection of public data.
//
//	go run ./cmd/fayi/internal/demodata/mkdata INPUT OUTPUT
//
// INPUT is the folder holding divisions/, institutions/, persons/ and texts/; OUTPUT is demodata/data. The
// output is the same bytes for the same input. What each file is and where it comes from stands in
// OUTPUT/PROVENANCE.md, which is written by hand.
package main

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: mkdata INPUT OUTPUT")
	}
	m := maker{in: os.Args[1], out: os.Args[2]}
	if err := errors.Join(m.units(), m.institutions(), m.questions(), m.names(), m.licences()); err != nil {
		log.Fatal(err)
	}
}

type maker struct{ in, out string }

// table reads one CSV file of the input, without its heading, after checking the heading's first column.
func (m maker) table(name, first string) ([][]string, error) {
	raw, err := os.ReadFile(filepath.Join(m.in, name))
	if err != nil {
		return nil, err
	}
	rows, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(raw, []byte("\ufeff")))).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(rows) < 2 || rows[0][0] != first {
		return nil, fmt.Errorf("%s: no rows or first column is not %q", name, first)
	}
	return rows[1:], nil
}

// write stores rows as CSV, compressed where the name says so. The gzip header carries no time.
func (m maker) write(name string, rows [][]string) error {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	if err := w.WriteAll(rows); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	out := b.Bytes()
	if strings.HasSuffix(name, ".gz") {
		var z bytes.Buffer
		zw, err := gzip.NewWriterLevel(&z, gzip.BestCompression)
		if err != nil {
			return err
		}
		if _, err := zw.Write(out); err != nil {
			return err
		}
		if err := zw.Close(); err != nil {
			return err
		}
		out = z.Bytes()
	}
	return os.WriteFile(filepath.Join(m.out, name), out, 0o644)
}

// units writes every division of the two cities with the names of the service venue and of the mediation
// committee there. Yulin's come from the derived tables; Yan'an's follow the same rule, which is first
// checked against all of Yulin's.
func (m maker) units() error {
	prefectures, err1 := m.table("divisions/shaanxi_prefectures.csv", "code4")
	counties, err2 := m.table("divisions/shaanxi_counties.csv", "code6")
	towns, err3 := m.table("divisions/shaanxi_townships.csv", "code9")
	villages, err4 := m.table("divisions/shaanxi_villages.csv", "code12")
	venues, err5 := m.table("institutions/yulin_public_legal_service_platforms_derived.csv", "local_id")
	committees, err6 := m.table("institutions/yulin_mediation_committees_derived.csv", "local_id")
	if err := errors.Join(err1, err2, err3, err4, err5, err6); err != nil {
		return err
	}
	venue, committee := byCode(venues, "PLS-"), byCode(committees, "TJW-")
	rows := [][]string{{"code", "name", "venue", "committee"}}
	var faults []error
	add := func(code, name, city string) {
		v, c := venueName(code, name, city), committeeName(code, name)
		if strings.HasPrefix(code, "6108") {
			if venue[code] != v || committee[code] != c {
				faults = append(faults, fmt.Errorf("rule differs from table at %s %s: %q %q, table %q %q",
					code, name, v, c, venue[code], committee[code]))
			}
		}
		rows = append(rows, []string{code, name, v, c})
	}
	for _, city := range prefectures {
		if city[0] != "6106" && city[0] != "6108" {
			continue
		}
		add(city[1], city[2], "")
		for _, r := range counties {
			if r[2] == city[0] {
				add(r[0], r[1], city[2])
			}
		}
		for _, t := range [][][]string{towns, villages} {
			for _, r := range t {
				if r[0][:4] == city[0] {
					add(r[0], r[1], city[2])
				}
			}
		}
	}
	if len(faults) > 0 {
		return errors.Join(faults...)
	}
	other := [][]string{{"code", "name"}}
	for _, r := range prefectures {
		other = append(other, []string{r[1], r[2]})
	}
	return errors.Join(m.write("units.csv.gz", rows), m.write("prefectures.csv", other))
}

func byCode(rows [][]string, prefix string) map[string]string {
	out := make(map[string]string, len(rows))
	for _, r := range rows {
		out[strings.TrimPrefix(r[0], prefix)] = r[2]
	}
	return out
}

// venueName follows the naming rule of 榆政司发〔2018〕19号 as the derived table applies it.
func venueName(code, name, city string) string {
	switch {
	case len(code) == 6 && strings.HasSuffix(name, "区"):
		return city + name + "公共法律服务中心"
	case len(code) == 6:
		return name + "公共法律服务中心"
	case len(code) == 9:
		return name + "公共法律服务工作站"
	}
	name = plain(name)
	for _, s := range []string{"村民委员会", "村委会", "居民委员会", "居委会"} {
		if cut, ok := strings.CutSuffix(name, s); ok {
			return cut + "公共法律服务工作室"
		}
	}
	return name + "公共法律服务工作室"
}

func committeeName(code, name string) string {
	switch {
	case len(code) == 6:
		return ""
	case len(code) == 9:
		return name + "人民调解委员会"
	}
	name = strings.ReplaceAll(plain(name), "村村", "村")
	name = strings.ReplaceAll(name, "村委会", "村")
	name = strings.TrimSuffix(strings.TrimSuffix(name, "村民委员会"), "居委会")
	return name + "人民调解委员会"
}

// plain removes brackets round a whole name and a doubled 委会, both of which occur in the code table.
func plain(name string) string {
	if strings.HasPrefix(name, "（") && strings.HasSuffix(name, "）") {
		name = strings.TrimSuffix(strings.TrimPrefix(name, "（"), "）")
	}
	return strings.ReplaceAll(name, "委会委会", "委会")
}

func (m maker) institutions() error {
	rows, err := m.table("institutions/shaanxi_legal_aid_institutions_derived.csv", "local_id")
	if err != nil {
		return err
	}
	out := [][]string{{"level", "name", "division"}}
	for _, r := range rows {
		out = append(out, []string{r[1], r[2], r[3]})
	}
	return m.write("legal_aid_institutions.csv", out)
}

// questions keeps the question, the topic guess and the first cited article of each consultation.
func (m maker) questions() error {
	rows, err := m.table("texts/stard_legal_queries.csv", "id")
	if err != nil {
		return err
	}
	out := [][]string{{"id", "question", "topic", "statute"}}
	for _, r := range rows {
		statute, _, _ := strings.Cut(r[3], "；")
		out = append(out, []string{r[0], strings.TrimSpace(r[1]), r[2], statute})
	}
	return m.write("questions.csv.gz", out)
}

// names keeps the 400 most frequent surnames, weights times ten, and the given names by sex.
func (m maker) names() error {
	rows, err := m.table("persons/surnames_weights.csv", "rank")
	if err != nil {
		return err
	}
	surnames := [][]string{{"surname", "weight"}}
	for _, r := range rows[:min(len(rows), 400)] {
		weight, err := strconv.ParseFloat(r[2], 64)
		if err != nil {
			return fmt.Errorf("surname %s: %w", r[1], err)
		}
		surnames = append(surnames, []string{r[1], strconv.Itoa(int(math.Round(10 * weight)))})
	}
	raw, err := os.ReadFile(filepath.Join(m.in, "persons/given_names_faker_zh_CN.json"))
	if err != nil {
		return err
	}
	var lists struct {
		Generic []string `json:"given_names_generic"`
		Female  []string `json:"given_names_female"`
		Male    []string `json:"given_names_male"`
	}
	if err := json.Unmarshal(raw, &lists); err != nil {
		return fmt.Errorf("given names: %w", err)
	}
	given := [][]string{{"name", "gender"}}
	for _, n := range append(lists.Male, lists.Generic...) {
		given = append(given, []string{n, "1"})
	}
	for _, n := range lists.Female {
		given = append(given, []string{n, "2"})
	}
	return errors.Join(m.write("surnames.csv", surnames), m.write("given_names.csv", given))
}

// licences copies what must travel with the questions, unchanged.
func (m maker) licences() error {
	for _, name := range []string{"LICENSE-STARD.txt", "STARD-Data-Statement.md"} {
		raw, err := os.ReadFile(filepath.Join(m.in, "texts", name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(m.out, name), raw, 0o644); err != nil {
			return err
		}
	}
	return nil
}

package demodata

import (
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
)

//go:embed data
var files embed.FS

// corpus is the embedded public data, parsed. It never changes after loading.
type corpus struct {
	cities       map[string]*city
	prefectures  []prefecture
	surnames     []string
	surnameUpTo  []int // running sum of the weights
	given        [2][]string
	questions    []question
	institutions map[string][]institution // by city
}

// city is one of the two nodes that publish services.
type city struct {
	node, name, short, prefix, area string
	all, counties, towns, villages  []*unit // all: the city, its counties, then towns and villages
	byCode                          map[string]*unit
}

// unit is a division of 6, 9 or 12 digits with what is set up there.
type unit struct{ code, name, venue, committee string }

func (u *unit) county() string { return u.code[:6] }

type prefecture struct{ code, name string }

type institution struct{ level, name, division string }

// question is one real consultation of STARD with the project's guess of its topic and the first article its authors matched.
type question struct{ id, text, topic, statute string }

// load parses the embedded files once. They are part of the binary and checked by the tests: a fault there is a broken build.
var load = sync.OnceValue(func() *corpus {
	c := &corpus{cities: map[string]*city{
		Yulin: {node: Yulin, name: "榆林市", short: "榆", prefix: "YL", area: "0912"},
		Yanan: {node: Yanan, name: "延安市", short: "延", prefix: "YA", area: "0911"},
	}, institutions: map[string][]institution{}}
	for _, city := range c.cities {
		city.byCode = map[string]*unit{}
	}
	table("units.csv.gz", func(f []string) {
		c.cities[f[0][:4]+"00"].add(&unit{f[0], f[1], f[2], f[3]})
	})
	table("prefectures.csv", func(f []string) { c.prefectures = append(c.prefectures, prefecture{f[0], f[1]}) })
	table("legal_aid_institutions.csv", func(f []string) {
		node := f[2][:4] + "00"
		c.institutions[node] = append(c.institutions[node], institution{f[0], f[1], f[2]})
	})
	table("questions.csv.gz", func(f []string) { c.questions = append(c.questions, question{f[0], f[1], f[2], f[3]}) })
	table("given_names.csv", func(f []string) {
		sex := f[1][0] - '1'
		c.given[sex] = append(c.given[sex], f[0])
	})
	sum := 0
	table("surnames.csv", func(f []string) {
		w, err := strconv.Atoi(f[1])
		if err != nil {
			panic(fmt.Sprintf("demodata: surnames.csv: %v", err))
		}
		sum += w
		c.surnames = append(c.surnames, f[0])
		c.surnameUpTo = append(c.surnameUpTo, sum)
	})
	return c
})

// table calls row for each line of an embedded CSV file after its heading.
func table(name string, row func(fields []string)) {
	raw, err := files.ReadFile("data/" + name)
	if err == nil && strings.HasSuffix(name, ".gz") {
		var z *gzip.Reader
		if z, err = gzip.NewReader(bytes.NewReader(raw)); err == nil {
			raw, err = io.ReadAll(z)
		}
	}
	var rows [][]string
	if err == nil {
		rows, err = csv.NewReader(bytes.NewReader(raw)).ReadAll()
	}
	if err != nil {
		panic(fmt.Sprintf("demodata: embedded file %s: %v", name, err))
	}
	for _, r := range rows[1:] {
		row(r)
	}
}

func (c *city) add(u *unit) {
	c.all = append(c.all, u)
	c.byCode[u.code] = u
	switch {
	case len(u.code) == 9:
		c.towns = append(c.towns, u)
	case len(u.code) == 12:
		c.villages = append(c.villages, u)
	case u.code != c.node:
		c.counties = append(c.counties, u)
	}
}

// county returns the name of u's county, "" for the city itself.
func (c *city) county(u *unit) string {
	if u.county() == c.node {
		return ""
	}
	return c.byCode[u.county()].name
}

// place returns u's full name without the province: 榆林市榆阳区鼓楼街道鸳鸯湖社区.
func (c *city) place(u *unit) string {
	name := c.name + c.county(u)
	if len(u.code) >= 9 {
		name += c.byCode[u.code[:9]].name
	}
	if len(u.code) == 12 {
		name += u.short()
	}
	return name
}

// short is a village's or community's name without the word for its committee.
func (u *unit) short() string { return strings.TrimSuffix(u.committee, "人民调解委员会") }

// bureau names the judicial bureau of u's county or city: districts carry the city's name, counties do not.
func (c *city) bureau(u *unit) string { return c.organ(u.county(), "司法局") }

// organ names an organ of a county, or of the city itself if the code is the city's.
func (c *city) organ(county, kind string) string {
	if county == c.node {
		return c.name + kind
	}
	name := c.byCode[county].name
	if strings.HasSuffix(name, "区") {
		name = c.name + name
	}
	return name + kind
}

// Random combinations that are the names of people in public office or public life; they are drawn again.
var knownNames = []string{"李强", "李鹏", "李娜", "李国强", "王晨", "王勇", "王刚", "王军", "王涛", "王伟", "张军", "张强", "张勇", "刘伟", "刘强", "刘洋",
	"陈刚", "杨洋", "马强", "马杰", "赵薇", "孙杨", "周杰", "吴磊", "林丹", "郭明", "何勇", "贺军"}

// name draws a surname by its weight and a given name by sex.
func (c *corpus) name(r *random, male bool) string {
	given := c.given[1]
	if male {
		given = c.given[0]
	}
	for {
		at := r.below(c.surnameUpTo[len(c.surnameUpTo)-1])
		name := c.surnames[sort.SearchInts(c.surnameUpTo, at+1)] + pick(r, given)
		if !slices.Contains(knownNames, name) {
			return name
		}
	}
}

package demodata

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"iter"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

var keyFields = map[string]string{"law_firm": "creditCode", "lawyer": "licenseNo", "legal_aid_institution": "orgCode", "legal_aid_case": "caseNo",
	"mediation_committee": "code", "consultation": "consultNo", "service_venue": "venueCode", "hotline_ticket": "ticketNo"}

func TestSameSeedSameRecords(t *testing.T) {
	long := slices.Collect(Generate(7, 3000))
	for _, n := range []int{3000, 1234} { // again, and a shorter run, which is the beginning of a longer one
		again := slices.Collect(Generate(7, n))
		for i := range long[:n] {
			if !reflect.DeepEqual(long[i], again[i]) {
				t.Fatalf("record %d of %d differs:\n%s", i, n, cmp.Diff(long[i], again[i]))
			}
		}
	}
	same := 0
	for i, r := range slices.Collect(Generate(8, 3000)) {
		if bytes.Equal(r.Data, long[i].Data) && r.Op == "put" {
			same++
		}
	}
	if same > 0 {
		t.Errorf("another seed gave %d equal records", same)
	}
}

func TestStopsWhereAsked(t *testing.T) {
	for _, n := range []int{-1, 0, 1, 49} {
		if got := len(slices.Collect(Generate(1, n))); got != max(n, 0) {
			t.Errorf("Generate(1, %d) gave %d records", n, got)
		}
	}
	for range Generate(1, 10) {
		break // a consumer may stop early
	}
}

func TestProportions(t *testing.T) {
	for _, n := range []int{50, 200, 1000, 20000} {
		count := map[string]int{}
		for r := range Generate(3, n) {
			count[r.Node]++
			count[r.Op]++
			if r.Bad != nil {
				count["bad"]++
			} else {
				count[r.Type]++
			}
		}
		slack := n/200 + 2
		for what, want := range map[string]int{Province: n * 15 / 100, Yulin: n * 567 / 1000, Yanan: n * 283 / 1000, Ministry: 0,
			"bad": n / 50, "del": n / 100, "lawyer": n * 14 / 100, "service_venue": n * 134 / 1000, "mediation_committee": n * 134 / 1000,
			"consultation": n * 22 / 100, "hotline_ticket": n * 19 / 100, "legal_aid_case": n * 15 / 100} {
			if got := count[what]; got < want-slack || got > want+slack {
				t.Errorf("n=%d: %s: %d records, want %d±%d", n, what, got, want, slack)
			}
		}
	}
}

// TestExpected compares Expected with a plain simulation that keeps every record whole.
func TestExpected(t *testing.T) {
	type key struct{ node, typ, key string }
	for _, n := range []int{50, 2000, 12000} {
		want := map[string]Counts{}
		held := map[key]string{}
		for r := range Generate(5, n) {
			c, k := want[r.Node], key{r.Node, r.Type, r.Key}
			old, there := held[k]
			switch {
			case r.Bad != nil:
				c.Rejected++
			case r.Op == "del" && !there, r.Op == "put" && there && old == string(r.Data):
				c.Unchanged++
			case r.Op == "del":
				delete(held, k)
				c.Accepted++
			default:
				held[k] = string(r.Data)
				c.Accepted++
			}
			c.Published = c.Accepted + c.Rejected + c.Unchanged
			want[r.Node] = c
		}
		got := Expected(Generate(5, n))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("n=%d:\n%s", n, diff)
		}
		var all Counts
		for _, c := range got {
			all.Published += c.Published
			all.Unchanged += c.Unchanged
			all.Rejected += c.Rejected
		}
		if all.Published != n || all.Rejected != n/50 || all.Unchanged < n/50-1 || all.Unchanged > n/50 {
			t.Errorf("n=%d: %+v, want %d published, %d rejected and about as many unchanged", n, all, n, n/50)
		}
	}
}

func TestExpectedRules(t *testing.T) {
	put := func(data string) Record {
		return Record{Node: Yulin, Type: "t", Key: "k", Op: "put", Data: []byte(data)}
	}
	del := Record{Node: Yulin, Type: "t", Key: "k", Op: "del"}
	bad := put("B")
	bad.Bad = &Bad{Code: "JSON"}
	other := put("A")
	other.Node = Yanan
	for _, tc := range []struct {
		name    string
		records []Record
		want    Counts
	}{
		{"first", []Record{put("A")}, Counts{1, 1, 0, 0}},
		{"repeat", []Record{put("A"), put("A")}, Counts{2, 1, 0, 1}},
		{"change and back", []Record{put("A"), put("B"), put("A")}, Counts{3, 3, 0, 0}},
		{"a rejected record changes nothing", []Record{put("A"), bad, put("A"), put("B")}, Counts{4, 2, 1, 1}},
		{"del of nothing", []Record{del}, Counts{1, 0, 0, 1}},
		{"del twice", []Record{put("A"), del, del}, Counts{3, 2, 0, 1}},
		{"put after del", []Record{put("A"), del, put("A")}, Counts{3, 3, 0, 0}},
		{"another node's key is another key", []Record{other, put("A")}, Counts{1, 1, 0, 0}},
	} {
		if got := Expected(slices.Values(tc.records))[Yulin]; got != tc.want {
			t.Errorf("%s: %+v, want %+v", tc.name, got, tc.want)
		}
	}
}

// TestStory follows every key: it is new once, deleted at most once, and nothing good follows a deletion.
func TestStory(t *testing.T) {
	type key struct{ node, typ, key string }
	held, gone := map[key]bool{}, map[key]bool{}
	updates := 0
	for r := range Generate(11, 10000) {
		k := key{r.Node, r.Type, r.Key}
		if r.Bad != nil {
			continue
		}
		if gone[k] {
			t.Fatalf("%v after its deletion", k)
		}
		if r.Op == "del" {
			if !held[k] || r.Data != nil {
				t.Fatalf("%v deleted: known %v, %d bytes of data", k, held[k], len(r.Data))
			}
			gone[k] = true
			continue
		}
		if held[k] {
			updates++
		}
		held[k] = true
		var m map[string]any
		if err := json.Unmarshal(r.Data, &m); err != nil || m[keyFields[r.Type]] != r.Key {
			t.Fatalf("%v: key field %v, %v", k, m[keyFields[r.Type]], err)
		}
	}
	if updates < 400 {
		t.Errorf("only %d updates", updates)
	}
}

// topMembers returns the names of an object's members in order, after checking that it is compact, unescaped and has none twice.
func topMembers(t *testing.T, data []byte) []string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, data); err != nil || !bytes.Equal(b.Bytes(), data) || !utf8.Valid(data) || bytes.Contains(data, []byte(`\u`)) {
		t.Fatalf("not compact, unescaped UTF-8: %v\n%s", err, data)
	}
	var names []string
	dec := json.NewDecoder(bytes.NewReader(data))
	if _, err := dec.Token(); err != nil {
		t.Fatal(err)
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			t.Fatal(err)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			t.Fatal(err)
		}
		if slices.Contains(names, name.(string)) {
			t.Fatalf("member %s twice\n%s", name, data)
		}
		names = append(names, name.(string))
	}
	return names
}

var (
	mobilesIn   = regexp.MustCompile(`(?:^|[^0-9A-Z])(1[3-9][0-9]{9})(?:[^0-9A-Z]|$)`)
	landlinesIn = regexp.MustCompile(`(?:^|[^0-9A-Z])(0[0-9]{2,3}-?[0-9]{7,8})(?:[^0-9]|$)`)
	idsIn       = regexp.MustCompile(`(?:^|[^0-9A-Z])([1-9][0-9]{5}(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])[0-9]{5}[0-9X])(?:[^0-9A-Z]|$)`)
)

// As data/PROVENANCE.md has them, not as the code does.
var allottedToNobody = []string{"154", "160", "163", "164", "168", "169", "179", "194"}

// TestNobodyReal scans everything generated for numbers that could be somebody's.
func TestNobodyReal(t *testing.T) {
	mobiles, landlines, ids := 0, 0, 0
	for r := range Generate(13, 8000) {
		text := r.Key + " " + string(r.Data)
		for _, m := range mobilesIn.FindAllStringSubmatch(text, -1) {
			if mobiles++; !slices.Contains(allottedToNobody, m[1][:3]) {
				t.Fatalf("mobile %s in %s", m[1], text)
			}
		}
		for _, m := range landlinesIn.FindAllStringSubmatch(text, -1) {
			if landlines++; !strings.HasPrefix(m[1], "0912-000") && !strings.HasPrefix(m[1], "0911-000") {
				t.Fatalf("landline %s in %s", m[1], text)
			}
		}
		for _, m := range idsIn.FindAllStringSubmatch(text, -1) {
			if ids++; m[1][6:10] != "1900" {
				t.Fatalf("identity number %s in %s", m[1], text)
			}
		}
		for _, name := range knownNames {
			if strings.Contains(text, `:"`+name+`"`) {
				t.Fatalf("%s in %s", name, text)
			}
		}
	}
	if mobiles < 8000 || landlines < 20 || ids < 3000 {
		t.Errorf("the scan saw %d mobiles, %d landlines and %d identity numbers: is it blind?", mobiles, landlines, ids)
	}
}

func TestDefectsSpread(t *testing.T) {
	seen := map[string]map[string]bool{}
	codes := map[string]int{}
	for r := range Generate(17, 20000) {
		if r.Bad == nil {
			continue
		}
		if seen[r.Bad.Why] == nil {
			seen[r.Bad.Why] = map[string]bool{}
		}
		seen[r.Bad.Why][strings.TrimPrefix(r.Type, "t_")] = true
		codes[r.Bad.Code]++
		if valid := json.Valid(r.Data); valid == (r.Bad.Code == "JSON") {
			t.Errorf("%s: JSON valid is %v:\n%s", r.Bad.Code, valid, r.Data)
		}
		if _, known := keyFields[r.Type]; known == (r.Bad.Code == "UNKNOWN_TYPE") {
			t.Errorf("%s with type %s", r.Bad.Code, r.Type)
		}
		if !utf8.Valid(r.Data) {
			t.Errorf("%s: broken UTF-8, which a database would refuse", r.Bad.Code)
		}
	}
	if len(seen) != len(defects) {
		t.Errorf("%d of %d defects made", len(seen), len(defects))
	}
	for why, types := range seen {
		if len(types) < 3 {
			t.Errorf("%s only in %v", why, types)
		}
	}
	t.Log(codes)
}

func TestSmallDemoHasEachKindOfTrouble(t *testing.T) {
	codes := map[string]bool{}
	for r := range Generate(1, len(defects)*block) {
		if r.Bad != nil {
			codes[r.Bad.Code] = true
		}
	}
	want := []string{"CODE", "DUPLICATE_MEMBER", "FORMAT", "JSON", "KEY_MISMATCH", "LENGTH", "REQUIRED", "TYPE", "UNKNOWN_FIELD", "UNKNOWN_TYPE"}
	for _, c := range want {
		if !codes[c] {
			t.Errorf("no %s among the first %d records", c, len(defects)*block)
		}
	}
}

func TestSizes(t *testing.T) {
	size, n := map[string]int{}, map[string]int{}
	for r := range good(Generate(19, 20000)) {
		size[r.Type] += len(r.Data)
		n[r.Type]++
	}
	for typ, want := range map[string][2]int{"legal_aid_case": {1400, 2800}, "consultation": {700, 1400}, "hotline_ticket": {700, 1600},
		"service_venue": {500, 1100}, "mediation_committee": {500, 1000}, "lawyer": {700, 1300}, "law_firm": {800, 1500}, "legal_aid_institution": {600, 1200}} {
		if mean := size[typ] / n[typ]; mean < want[0] || mean > want[1] {
			t.Errorf("%s: %d bytes on average, want %v", typ, mean, want)
		}
	}
}

func TestEmbeddedData(t *testing.T) {
	total := int64(0)
	err := fs.WalkDir(files, "data", func(_ string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			info, _ := e.Info()
			total += info.Size()
		}
		return err
	})
	if err != nil || total > 2<<20 {
		t.Errorf("embedded %d bytes, %v", total, err)
	}
	licence, err := files.ReadFile("data/LICENSE-STARD.txt")
	if err != nil || !bytes.Contains(licence, []byte("Copyright (c) 2024 THUIR")) {
		t.Errorf("the licence of the questions is missing: %v", err)
	}
	w := newWorld(1)
	yulin := w.cities[Yulin]
	if got := len(w.venues(yulin)); got != 3424 {
		t.Errorf("%d venues in Yulin", got)
	}
	if got := len(w.committees(yulin)); got != 3411 {
		t.Errorf("%d committees in Yulin", got)
	}
	if len(w.questions) != 1543 || len(w.institutions) != 11 || len(yulin.counties) != 12 || len(w.cities[Yanan].counties) != 13 {
		t.Errorf("questions %d, nodes with institutions %d", len(w.questions), len(w.institutions))
	}
	for _, q := range w.questions {
		if topicOf[q.topic].matter == "" {
			t.Fatalf("topic %q has no advice", q.topic)
		}
	}
}

// good leaves the good puts.
func good(records iter.Seq[Record]) iter.Seq[Record] {
	return func(yield func(Record) bool) {
		for r := range records {
			if r.Bad == nil && r.Op == "put" && !yield(r) {
				return
			}
		}
	}
}

func BenchmarkGenerate(b *testing.B) {
	bytes := 0
	for r := range Generate(1, b.N) {
		bytes += len(r.Data)
	}
	b.SetBytes(int64(bytes / max(b.N, 1)))
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}

// What a benchmark publishes: all of one type and node, three in ten an update that differs from the version before.
func TestCases(t *testing.T) {
	newest := map[string]string{}
	updates, size := 0, 0
	const n = 3000
	for r := range Cases(1, n, 30) {
		if r.Type != "legal_aid_case" || r.Node != Yulin || r.Op != "put" {
			t.Fatalf("%s %s %s", r.Node, r.Type, r.Op)
		}
		if old, ok := newest[r.Key]; ok {
			if updates++; old == string(r.Data) {
				t.Fatalf("%s does not change", r.Key)
			}
		}
		newest[r.Key] = string(r.Data)
		size += len(r.Data)
	}
	if share := updates * 100 / n; share < 27 || share > 33 {
		t.Errorf("%d %% updates", share)
	}
	if mean := size / n; mean < 1400 || mean > 1700 {
		t.Errorf("%d bytes on average", mean)
	}
}

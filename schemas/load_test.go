package schemas

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	tj "github.com/tjfoc/gmsm/sm3"
)

// packDay is a day on which the national pack is in force.
var packDay = time.Date(2026, 11, 22, 12, 0, 0, 0, chinaTime)

const (
	smallManifest = `{"name":"small","version":"1.0.0","title":"小","en":"small","from":"2026-01-01","types":[
		{"name":"thing","version":1,"title":"物","en":"thing","key":"id","digest":"DIGEST"}]}`
	smallSchema = `{"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"https://schemas.fayi.invalid/small/thing/1","title":"物","x-en":"thing","x-key":"id",
		"type":"object","required":["id"],"properties":{"id":{"title":"编号","type":"string","maxLength":8},"kind":{"title":"种类","type":"string","x-codes":["kind"]}},"additionalProperties":false}`
	smallTable = `{"name":"kind","title":"种类","en":"kind","label_mark":"[INFER]","code_mark":"[INFER]","source":"I","items":[{"code":"1","name":"一"},{"code":"2","name":"二"}]}`
)

// smallPack is a pack of one type, with edits ("file", "old", "new") applied and then, unless one of them is about it, a right digest.
func smallPack(t testing.TB, edits ...[3]string) fstest.MapFS {
	t.Helper()
	files := map[string]string{"pack.json": smallManifest, "types/thing.json": smallSchema, "codes/kind.json": smallTable}
	for _, e := range edits {
		if e[1] != "" && !strings.Contains(files[e[0]], e[1]) {
			t.Fatalf("%s does not contain %s", e[0], e[1])
		}
		if e[1] == "" {
			files[e[0]] = e[2]
		} else {
			files[e[0]] = strings.ReplaceAll(files[e[0]], e[1], e[2])
		}
	}
	build := func() fstest.MapFS {
		m := fstest.MapFS{}
		for name, data := range files {
			m[name] = &fstest.MapFile{Data: []byte(data)}
		}
		return m
	}
	if digests, err := Digests(build()); err == nil {
		files["pack.json"] = strings.ReplaceAll(files["pack.json"], "DIGEST", digests["thing"])
	}
	return build()
}

func TestSmallPack(t *testing.T) {
	r, err := Load(smallPack(t))
	if err != nil {
		t.Fatal(err)
	}
	ty, ok := r.currentAt("thing", packDay)
	if !ok {
		t.Fatal("not in force")
	}
	if diff := cmp.Diff([]string{"LENGTH /id", "CODE /kind"}, brief(ty.Validate([]byte(`{"id":"123456789","kind":"3"}`)))); diff != "" {
		t.Error(diff)
	}
}

// TestBrokenPacks: each defect is refused, and the report names file and place.
func TestBrokenPacks(t *testing.T) {
	const th, pk, cd = "types/thing.json", "pack.json", "codes/kind.json"
	in := func(old, new string) [3]string { return [3]string{th, old, new} }
	add := func(property string) [3]string { return in(`"properties":{`, `"properties":{"x":`+property+`,`) }
	def := func(defs, property string) [3]string {
		return in(`"properties":{`, `"$defs":`+defs+`,"properties":{"x":`+property+`,`)
	}
	bomb := `{`
	for i := range 20 {
		bomb += fmt.Sprintf(`"a%d":{"allOf":[{"$ref":"#/$defs/a%d"},{"$ref":"#/$defs/a%d"}]},`, i, i+1, i+1)
	}
	bomb += `"a20":{"type":"string"}}`
	for name, c := range map[string]struct {
		edit     [3]string
		file, at string
	}{
		"file reference":       {add(`{"$ref":"file:///etc/passwd"}`), th, "/properties/x/$ref"},
		"http reference":       {add(`{"$ref":"https://example.com/s.json"}`), th, "/properties/x/$ref"},
		"other document":       {add(`{"$ref":"https://schemas.fayi.invalid/small/other/1"}`), th, "/properties/x/$ref"},
		"missing definition":   {add(`{"$ref":"#/$defs/none"}`), th, "/properties/x/$ref"},
		"remote dialect":       {in("https://json-schema.org/draft/2020-12/schema", "https://example.com/schema"), th, "/$schema"},
		"older dialect":        {in("https://json-schema.org/draft/2020-12/schema", "http://json-schema.org/draft-07/schema#"), th, "/$schema"},
		"file id":              {in("https://schemas.fayi.invalid/small/thing/1", "file:///tmp/x"), th, "/$id"},
		"reachable id":         {in("https://schemas.fayi.invalid/small", "https://example.com/small"), th, "/$id"},
		"inner id":             {add(`{"$id":"file:///x","type":"string"}`), th, "/properties/x/$id"},
		"recursion":            {def(`{"a":{"type":"array","items":{"$ref":"#/$defs/a"}}}`, `{"$ref":"#/$defs/a"}`), th, "/$defs/a/items/$ref"},
		"reference bomb":       {def(bomb, `{"$ref":"#/$defs/a0"}`), th, ""},
		"dynamic reference":    {add(`{"$dynamicRef":"#meta"}`), th, "/properties/x/$dynamicRef"},
		"unknown keyword":      {add(`{"patternProperties":{}}`), th, "/properties/x/patternProperties"},
		"unknown format":       {add(`{"type":"string","format":"hostname"}`), th, "/properties/x/format"},
		"decimal out of form":  {add(`{"type":"string","format":"decimal-14-2x"}`), th, "/properties/x/format"},
		"pattern too long":     {add(`{"type":"string","pattern":"^` + strings.Repeat("a", 600) + `$"}`), th, "/properties/x/pattern"},
		"pattern unanchored":   {add(`{"type":"string","pattern":"a+"}`), th, "/properties/x/pattern"},
		"huge number":          {add(`{"type":"integer","maximum":1e999999999}`), th, "/properties/x/maximum"},
		"negative length":      {add(`{"type":"string","maxLength":-1}`), th, ""},
		"type list":            {add(`{"type":["string","null"]}`), th, "/properties/x/type"},
		"boolean schema":       {add(`true`), th, "/properties/x"},
		"no such table":        {in(`["kind"]`, `["none"]`), th, "/properties/kind/x-codes"},
		"codes and enum":       {in(`"x-codes"`, `"enum":["1"],"x-codes"`), th, "/properties/kind/x-codes"},
		"open record":          {in(`"additionalProperties":false`, `"additionalProperties":true`), th, "/additionalProperties"},
		"optional key":         {in(`"required":["id"],`, ``), th, "/x-key"},
		"other title":          {in(`"title":"物"`, `"title":"件"`), th, "/title"},
		"sensitivity":          {add(`{"type":"string","x-sensitivity":"绝密"}`), th, "/properties/x/x-sensitivity"},
		"reason in one tongue": {in(`"additionalProperties"`, `"allOf":[{"x-when":"总是","then":{}}],"additionalProperties"`), th, "/allOf/0/x-when"},
		"duplicate member":     {in(`"title":"物"`, `"title":"物","title":"物"`), th, ""},
		"deep":                 {add(strings.Repeat(`{"items":`, 40) + `{}` + strings.Repeat(`}`, 40)), th, ""},
		"not JSON":             {[3]string{th, "", "{"}, th, ""},
		"too large":            {[3]string{"codes/big.json", "", strings.Repeat(" ", maxPackBytes)}, "codes/big.json", ""},
		"stray file":           {[3]string{"types/readme.txt", "", "x"}, "types/readme.txt", ""},
		"type not listed":      {[3]string{"types/other.json", "", smallSchema}, "types/other.json", ""},
		"type without file":    {[3]string{pk, `"types":[`, `"types":[{"name":"gone","version":1,"title":"无","en":"gone","digest":""},`}, pk, "/types/0"},
		"wrong digest":         {[3]string{pk, "DIGEST", strings.Repeat("0", 64)}, pk, ""},
		"version zero":         {[3]string{pk, `"version":1`, `"version":0`}, pk, "/types/0/version"},
		"bad type name":        {[3]string{pk, `"name":"thing"`, `"name":"Thing"`}, pk, "/types/0/name"},
		"no day":               {[3]string{pk, `2026-01-01`, `2026-02-30`}, pk, "/from"},
		"ends before":          {[3]string{pk, `"from":"2026-01-01"`, `"from":"2026-01-01","until":"2025-01-01"`}, pk, "/until"},
		"named audience":       {[3]string{pk, `"key":"id"`, `"key":"id","audience":{"city":"to-610000"}`}, pk, "/types/0/audience"},
		"unknown manifest":     {[3]string{pk, `"from"`, `"rules":[],"from"`}, pk, ""},
		"capital manifest":     {[3]string{pk, `"from"`, `"From"`}, pk, ""},
		"code twice":           {[3]string{cd, `"code":"2"`, `"code":"1"`}, cd, "/items/1/code"},
		"empty code":           {[3]string{cd, `"code":"2"`, `"code":""`}, cd, "/items/1"},
		"table name":           {[3]string{cd, `"name":"kind"`, `"name":"kinds"`}, cd, "/name"},
	} {
		_, err := Load(smallPack(t, c.edit))
		var bad *PackError
		if !errors.As(err, &bad) {
			t.Errorf("%s: got %v", name, err)
			continue
		}
		if !slices.ContainsFunc(bad.Faults, func(f PackFault) bool { return f.File == c.file && f.Pointer == c.at }) {
			t.Errorf("%s: no fault at %s#%s:\n%v", name, c.file, c.at, err)
		}
	}
}

// TestAllFaultsAtOnce: faults of several files of several packs come in one report.
func TestAllFaultsAtOnce(t *testing.T) {
	a := smallPack(t, [3]string{"codes/kind.json", `"code":"2"`, `"code":"1"`}, [3]string{"types/thing.json", `"maxLength":8`, `"maxLength":8,"pattern":"x","format":"y"`})
	_, err := Load(a, fstest.MapFS{})
	var bad *PackError
	if !errors.As(err, &bad) {
		t.Fatal(err)
	}
	var places []string
	for _, f := range bad.Faults {
		places = append(places, f.File+"#"+f.Pointer)
	}
	want := []string{"codes/kind.json#/items/1/code", "pack.json#", "types/thing.json#/properties/id/format", "types/thing.json#/properties/id/pattern"}
	if diff := cmp.Diff(want, places); diff != "" {
		t.Errorf("%s\n%v", diff, err)
	}
}

// TestClosedLoader: even a schema that was not linted cannot make the compiler read anything.
func TestClosedLoader(t *testing.T) {
	secret := t.TempDir() + "/s.json"
	if err := os.WriteFile(secret, []byte(`{"type":"string"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, doc := range []map[string]any{
		{"$ref": "file://" + secret}, {"$ref": "http://127.0.0.1:1/x"}, {"$schema": "http://127.0.0.1:1/meta"}, {"$schema": "file://" + secret},
	} {
		if _, err := compileSchema("urn:fayi:test", doc, closedLoader{}); err == nil {
			t.Errorf("%v was compiled", doc)
		}
	}
}

func TestPatterns(t *testing.T) {
	for _, p := range []string{`^[0-9]{6}$`, `^[A-Za-z0-9+/]+={0,2}$`, `^(?:a|b)+c$`, `^\d{4}-\w+\.$`, `^[一-龥]{2,4}$`, `^a[.]b$`} {
		if err := checkPattern(p); err != nil {
			t.Errorf("%s: %v", p, err)
		}
	}
	for _, p := range []string{``, `a`, `^a`, `^a\$`, `^a.b$`, `^(a+)+$`, `^(?i)a$`, `^(?P<n>a)$`, `^\bx$`, `^\s$`, `^\pL$`, `^[[:alpha:]]$`, `^[a&&b]$`, `^a|b$`, `^a$b$`, `^(?=a)$`,
		`^\1$`, `^\Qa\E$`, `^a++$`, `^[$`, `^\x41$`, `^\u0041$`} {
		if checkPattern(p) == nil {
			t.Errorf("%s was accepted", p)
		}
	}
}

// TestDigests computes the digests of the national pack a second way: other canonical form (sorted members of encoding/json), other SM3.
func TestDigests(t *testing.T) {
	for _, ty := range registry(t).Types() {
		var schema any
		if err := json.Unmarshal(ty.Schema(), &schema); err != nil {
			t.Fatal(err)
		}
		codes := map[string]any{}
		var add func(any)
		add = func(v any) {
			switch v := v.(type) {
			case map[string]any:
				tables, _ := v["x-codes"].([]any)
				for _, table := range tables {
					data, err := fs.ReadFile(Embedded(), fmt.Sprintf("codes/%s.json", table))
					if err != nil {
						t.Fatal(err)
					}
					var content any
					if err := json.Unmarshal(data, &content); err != nil {
						t.Fatal(err)
					}
					codes[table.(string)] = content
				}
				for _, member := range v {
					add(member)
				}
			case []any:
				for _, element := range v {
					add(element)
				}
			}
		}
		add(schema)
		var b strings.Builder
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(map[string]any{"schema": schema, "codes": codes, "rules": ruleDocument(t, ty.Name())}); err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(tj.Sm3Sum([]byte(strings.TrimSuffix(b.String(), "\n")))); got != ty.Digest() {
			t.Errorf("%s: %s, want %s", ty.Name(), ty.Digest(), got)
		}
	}
}

// ruleDocument reads the rules of a type as plain JSON.
func ruleDocument(t *testing.T, name string) any {
	data, err := fs.ReadFile(Embedded(), "rules/"+name+".json")
	if errors.Is(err, fs.ErrNotExist) {
		return []any{}
	}
	var rules any
	if err := errors.Join(err, json.Unmarshal(data, &rules)); err != nil {
		t.Fatal(err)
	}
	return rules
}

// TestVersionsSideBySide: two versions of one type live in one registry; each reference means exactly one of them.
func TestVersionsSideBySide(t *testing.T) {
	first, err := Load(smallPack(t))
	if err != nil {
		t.Fatal(err)
	}
	both := first.With(edition(t,
		[3]string{"pack.json", `"version":1,`, `"version":2,`}, [3]string{"pack.json", `"1.0.0"`, `"1.1.0"`}, [3]string{"pack.json", `2026-01-01`, `2026-07-01`},
		[3]string{"types/thing.json", `"maxLength":8`, `"maxLength":4`}))
	if len(first.Types()) != 1 || len(both.Types()) != 2 {
		t.Fatalf("%d and %d types", len(first.Types()), len(both.Types()))
	}
	spring, autumn := time.Date(2026, 6, 30, 23, 59, 59, 0, chinaTime), time.Date(2026, 7, 1, 0, 0, 0, 0, chinaTime)
	record := []byte(`{"id":"12345678"}`)
	for _, c := range []struct {
		at      time.Time
		version int
		valid   bool
	}{{spring, 1, true}, {autumn, 2, false}} {
		ty, ok := both.currentAt("thing", c.at)
		if !ok || ty.Version() != c.version || (len(ty.Validate(record)) == 0) != c.valid {
			t.Errorf("%v: version %d", c.at, ty.Version())
		}
		if again, ok := both.ByRef(ty.Ref()); !ok || again != ty {
			t.Errorf("%s is not found", ty.Ref())
		}
	}
	if _, ok := both.currentAt("thing", time.Date(2025, 1, 1, 0, 0, 0, 0, chinaTime)); ok {
		t.Error("in force before its day")
	}
	if _, ok := both.ByRef("thing@1#" + strings.Repeat("0", 64)); ok {
		t.Error("another digest was found")
	}
}

// TestConcurrentUse: one registry serves many goroutines while larger ones are made of it.
func TestConcurrentUse(t *testing.T) {
	r := registry(t)
	data := encode(t, example(t, "lawyer"))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				ty, _ := r.currentAt("lawyer", packDay)
				if faults := ty.Validate(data); len(faults) > 0 {
					t.Error(faults)
				}
			}
			r.With(edition(t))
		})
	}
	wg.Wait()
}

package diff

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing/fstest"

	"fayi/schemas"
)

// A pack of one type, "thing", that uses every keyword a pack may use.
const (
	thingSchema = `{"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"https://schemas.fayi.invalid/small/thing/1","title":"物","x-en":"thing","x-key":"id",
"type":"object","required":["id","kind"],"properties":{
 "id":{"title":"编号","x-en":"number","type":"string","minLength":1,"maxLength":8,"x-sensitivity":"公开"},
 "kind":{"title":"种类","type":"string","x-codes":["kind"],"x-sensitivity":"内部","x-mark":"[SRC]"},
 "note":{"title":"备注","type":"string","maxLength":4,"x-sensitivity":"敏感个人信息","x-expected":true},
 "when":{"title":"日期","type":"string","format":"date"},
 "sum":{"title":"金额","type":"string","format":"decimal-4-1"},
 "place":{"title":"区划","type":"string","format":"division-6"},
 "code":{"title":"代号","type":"string","pattern":"^[a-c]{1,3}$"},
 "count":{"title":"数量","type":"integer","minimum":0,"maximum":3},
 "open":{"title":"公开","type":"boolean"},
 "list":{"title":"列表","type":"array","minItems":1,"maxItems":3,"uniqueItems":true,"items":{"type":"string","enum":["a","b","c"]},"contains":{"enum":["a","b"]}},
 "part":{"title":"部分","type":"object","minProperties":1,"maxProperties":3,"properties":{"x":{"$ref":"#/$defs/small"},"y":{"$ref":"#/$defs/small","maximum":1}},"additionalProperties":{"type":"integer"}},
 "loose":{"title":"散","type":"object","properties":{"z":{"type":"integer"}}}},
"additionalProperties":false,
"$defs":{"small":{"type":"integer","minimum":0,"maximum":2}},
"allOf":[
 {"x-when":"种类为1","x-when-en":"kind is 1","if":{"properties":{"kind":{"enum":["1"]}},"required":["kind"]},"then":{"required":["note"]},"else":{"properties":{"count":{"maximum":2}}}},
 {"x-message":"不可同时","x-message-en":"not both","not":{"required":["when","sum"]}},
 {"anyOf":[{"required":["open"]},{"properties":{"kind":{"const":"1"}}}]},
 {"oneOf":[{"required":["place"]},{"required":["list"]},{"properties":{"open":{"const":true}}}]}]}`
	thingTable    = `{"name":"kind","title":"种类","en":"kind","label_mark":"[INFER]","code_mark":"[INFER]","source":"I","items":[{"code":"1","name":"一"},{"code":"2","name":"二"}]}`
	thingManifest = `{"name":"small","version":"1.0.0","title":"小","en":"small","from":"2026-01-01","types":[{"name":"thing","version":1,"title":"物","en":"thing","key":"id","audience":{"city":"upstream"},"digest":"DIGEST"}]}`
)

// edits replace text: file, old, new.
type edit [3]string

const (
	sch = "types/thing.json"
	tab = "codes/kind.json"
	man = "pack.json"
)

// thing loads the pack with edits applied and the right digest filled in.
func thing(edits ...edit) (Pack, error) {
	files := map[string]string{man: thingManifest, sch: thingSchema, tab: thingTable}
	for _, e := range edits {
		if !strings.Contains(files[e[0]], e[1]) {
			return Pack{}, fmt.Errorf("%s has no %s", e[0], e[1])
		}
		files[e[0]] = strings.Replace(files[e[0]], e[1], e[2], 1)
	}
	return load(files)
}

func load(files map[string]string) (Pack, error) {
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	digests, err := schemas.Digests(fsys)
	if err != nil {
		return Pack{}, err
	}
	fsys[man].Data = []byte(strings.Replace(files[man], "DIGEST", digests["thing"], 1))
	r, err := schemas.Load(fsys)
	if err != nil {
		return Pack{}, err
	}
	return Of(r), nil
}

// decode reads the schema for edits that are not of text.
func decode(text string) map[string]any {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var m map[string]any
	if err := dec.Decode(&m); err != nil {
		panic(err)
	}
	return m
}

package main

// systemType is a record type of the protocol itself, not of the tables.
type systemType struct {
	name, zh, en string
	audience     object
	schema       object
}

const base64Pattern = "^[A-Za-z0-9+/]+={0,2}$"

func text(zh, pattern string, maxLen int, note string) object {
	return object{{"title", zh}, {"type", "string"}, {"maxLength", maxLen}, {"pattern", pattern}, {"x-sensitivity", internal}, {"x-mark", "[PROTOCOL]"}, {"x-source", note}}
}

func whole(zh string) object {
	return object{{"title", zh}, {"type", "integer"}, {"minimum", 1}, {"maximum", int64(1)<<53 - 1}, {"x-sensitivity", internal}, {"x-mark", "[PROTOCOL]"}, {"x-source", "protocol §7"}}
}

var systemTypes = []systemType{
	{
		name: "exchange_node", zh: "节点目录条目", en: "directory entry of a node", audience: everybody,
		schema: append(head("exchange_node", "节点目录条目", "directory entry of a node", ""),
			member{"type", "object"}, member{"required", []string{"entry", "sigs"}},
			member{"properties", object{
				{"entry", text("条目", base64Pattern, 131072, "protocol §7: canonical JSON, base64")},
				{"sigs", object{{"title", "签名"}, {"type", "array"}, {"minItems", 1}, {"maxItems", 8}, {"items", object{
					{"type", "object"}, {"required", []string{"by", "sig"}},
					{"properties", object{
						{"by", text("签名者", "^[0-9a-f]{64}$", 64, "protocol §7: SM3 of the signer's certificate")},
						{"sig", text("签名值", base64Pattern, 200, "protocol §1: SM2, DER, base64")},
					}}, {"additionalProperties", false},
				}}, {"x-sensitivity", internal}, {"x-mark", "[PROTOCOL]"}, {"x-source", "protocol §7"}}},
			}}, member{"additionalProperties", false}),
	},
	{
		name: "exchange_rejection", zh: "拒收通知", en: "notice of a rejected record",
		audience: object{{"county", "to-{origin}"}, {"city", "to-{origin}"}, {"province", "to-{origin}"}, {"ministry", "to-{origin}"}},
		schema: append(head("exchange_rejection", "拒收通知", "notice of a rejected record", ""),
			member{"type", "object"}, member{"required", []string{"origin", "stream", "gen", "seq", "code", "pointer", "pack", "time"}},
			member{"properties", object{
				{"origin", text("来源节点", "^[0-9a-z][0-9a-z-]{1,31}$", 32, "protocol §1, §7")},
				{"stream", text("数据流", "^[0-9a-z][0-9a-z-]{1,31}/[a-z][a-z0-9_]{1,47}/[a-z0-9+-]{1,64}$", 146, "protocol §1, §7")},
				{"gen", whole("代次")}, {"seq", whole("序号")},
				{"code", text("错误代码", "^[A-Z][A-Z0-9_]{1,47}$", 48, "protocol §4, §7")},
				{"pointer", object{{"title", "字段位置"}, {"type", "string"}, {"maxLength", 512}, {"x-sensitivity", internal}, {"x-mark", "[PROTOCOL]"}, {"x-source", "protocol §4: JSON pointer, never the value"}}},
				{"pack", text("所用模式", "^[a-z][a-z0-9_]{1,47}@[1-9][0-9]{0,8}#[0-9a-f]{64}$", 128, "protocol §2, §7")},
				{"time", object{{"title", "时间"}, {"type", "string"}, {"format", "date-time"}, {"x-sensitivity", internal}, {"x-mark", "[PROTOCOL]"}, {"x-source", "protocol §1, §7"}}},
			}}, member{"additionalProperties", false}),
	},
	{
		name: "exchange_pack", zh: "数据规范包的一部分", en: "part of a schema pack", audience: everybody,
		schema: append(head("exchange_pack", "数据规范包的一部分", "part of a schema pack", ""),
			member{"type", "object"}, member{"required", []string{"pack", "version", "digest", "part", "parts", "data"}},
			member{"properties", object{
				{"pack", text("规范包名称", "^[a-z][a-z0-9-]{0,31}$", 32, "protocol §8")},
				{"version", text("规范包版本", "^[0-9]{1,5}[.][0-9]{1,5}[.][0-9]{1,5}$", 17, "protocol §8")},
				{"digest", text("文件摘要", "^[0-9a-f]{64}$", 64, "protocol §8: SM3 of the whole pack file")},
				{"part", object{{"title", "第几部分"}, {"type", "integer"}, {"minimum", 1}, {"maximum", 64}, {"x-sensitivity", internal}, {"x-mark", "[PROTOCOL]"}, {"x-source", "protocol §8"}}},
				{"parts", object{{"title", "共几部分"}, {"type", "integer"}, {"minimum", 1}, {"maximum", 64}, {"x-sensitivity", internal}, {"x-mark", "[PROTOCOL]"}, {"x-source", "protocol §8"}}},
				{"data", text("内容", base64Pattern, 174764, "protocol §8: at most 128 KiB of the pack file, base64")},
			}}, member{"additionalProperties", false}),
	},
}

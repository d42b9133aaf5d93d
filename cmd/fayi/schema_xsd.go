package main

import (
	"context"

	"fayi/schemas/sfxml"
)

func schemaXSD(ctx context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi schema xsd", args: "TYPE",
		zh:      "由规范包生成一种记录的 XML 报文的 XSD。报文格式见 docs/xml.md；XSD 写不出的规则仍由 fayi schema check 检查。",
		en:      "Write the XSD of XML messages of a record type out of its pack. docs/xml.md tells the form; what an XSD cannot say, fayi schema check does.",
		example: "fayi schema xsd -o lawyer.xsd lawyer"})
	conf := f.packsFlag()
	out := f.string("o", "", "输出`文件`，默认为标准输出；不覆盖已有文件", "output `file`, default: standard output; nothing is overwritten")
	rest, code, ok := f.parse(args)
	if !ok {
		return code
	}
	if len(rest) != 1 {
		return f.usage("要写且只写一个记录类型 TYPE", "exactly one record type TYPE is needed")
	}
	reg, err := e.registry(ctx, *conf)
	if err != nil {
		return e.fail(err)
	}
	t, err := findType(reg, rest[0])
	if err != nil {
		return e.fail(err)
	}
	doc, err := sfxml.XSD(t)
	if err != nil {
		return e.fail(err)
	}
	if *out == "" {
		if _, err := e.stdout.Write(doc); err != nil {
			return e.fail(err)
		}
		return exitOK
	}
	if err := writeNew(*out, doc); err != nil {
		return e.fail(err)
	}
	e.say("已写入 %s（%s）", "%s written (%s)", *out, t.Ref())
	return exitOK
}

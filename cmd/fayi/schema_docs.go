package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fayi/cmd/fayi/internal/records"
	"fayi/schemas"
	packdoc "fayi/schemas/docs"
)

// docsJSON is what schema docs -json gives.
type docsJSON struct {
	Dir    string     `json:"dir"`
	Types  []typeDocs `json:"types"`
	Tables int        `json:"tables"`
	Files  []string   `json:"files"` // below dir
}

// typeDocs tells where the example of a type is from: "given", "made", or "none" if none could be made.
type typeDocs struct {
	Type    string `json:"type"`
	Ref     string `json:"ref"`
	Example string `json:"example"`
}

func schemaDocs(ctx context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi schema docs", args: "[TYPE…]",
		zh: "由规范包生成文档：每种记录类型一页（HTML 和 Markdown），代码表，以及 CSV 和 XLSX 填报模板。不写 TYPE 时生成全部类型。\n" +
			"再次运行会更新自己写过的文件；他人的文件和改动过的文件不覆盖。",
		en: "Write documentation from the packs: a page for each record type (HTML and Markdown), the code tables, and CSV and XLSX templates.\n" +
			"Without TYPE all types. Running it again updates the files it wrote; files of others and files changed since are not overwritten.",
		example: "fayi schema docs -o schema-docs"})
	conf, asJSON := f.packsFlag(), f.asJSON()
	out := f.string("o", "schema-docs", "输出`目录`", "output `folder`")
	examples := f.string("examples", "", "示例`目录`，其中的 TYPE.json 用作该类型的示例（须合格）；其余示例自动生成", "`folder` whose TYPE.json is shown as the type's example (it must be valid); others are made up")
	force := f.bool("force", "覆盖同名文件", "overwrite files in the way")
	progress := f.bool("progress", "显示进度（在终端上自动显示）", "show progress (a terminal does by itself)")
	names, code, ok := f.parse(args)
	if !ok {
		return code
	}
	if *out == "" {
		return f.usage("-o 要写目录", "-o needs a folder")
	}
	reg, err := e.registry(ctx, *conf)
	if err != nil {
		return e.fail(err)
	}
	types, err := docTypes(reg, names)
	if err != nil {
		return e.fail(err)
	}
	given, err := givenExamples(*examples, types)
	if err != nil {
		return e.fail(err)
	}
	book, err := packdoc.New(types, reg.Tables(), given)
	if err != nil {
		return e.fail(err)
	}
	res := docsJSON{Dir: *out, Tables: len(book.Tables)}
	for i, p := range book.Types {
		d := typeDocs{p.Name, types[i].Ref(), "made"}
		switch {
		case p.ExampleGiven:
			d.Example = "given"
		case p.Example == "":
			d.Example = "none"
		}
		res.Types = append(res.Types, d)
	}
	res.Files, err = book.Write(ctx, *out, *force, func(done, all int) {
		if (*progress || e.terminal) && (done%50 == 0 || done == all) {
			e.note("已写 %d/%d 个文件", "%d of %d files written", done, all)
		}
	})
	if err != nil {
		var in *packdoc.ForeignError
		if errors.As(err, &in) {
			return e.fail(&said{code: "FOREIGN_FILE", zh: "目录中有同名文件不是本命令所写，或已被改动，没有写出任何文件", en: "files in the way were not written by this command, or have changed since; nothing was written",
				hintZH: "换一个目录；确认可以覆盖时加 -force", hintEN: "use another folder, or -force if they may be overwritten", err: errors.New(strings.Join(in.Paths, "\n"))})
		}
		return e.fail(err)
	}
	if *asJSON {
		e.json(res)
		return exitOK
	}
	e.say("写出 %d 种记录类型、%d 张代码表，共 %d 个文件：%s", "%d record types, %d code tables, %d files: %s", len(res.Types), res.Tables, len(res.Files), filepath.Join(*out, "index.html"))
	for _, d := range res.Types {
		if d.Example == "none" {
			e.say("  %s 没有示例：未能自动生成一条合格的记录，可用 -examples 给出", "  %s has no example: none could be made, give one with -examples", d.Type)
		}
	}
	return exitOK
}

// docTypes are the types named, or all: of each name the one in force, of one whose packs are not in force the newest.
func docTypes(reg *schemas.Registry, names []string) ([]*schemas.Type, error) {
	var types []*schemas.Type
	add := func(t *schemas.Type) {
		if !slices.ContainsFunc(types, func(o *schemas.Type) bool { return o.Name() == t.Name() }) {
			types = append(types, t)
		}
	}
	for _, name := range names {
		t, err := findType(reg, name)
		if err != nil {
			return nil, err
		}
		add(t)
	}
	if len(names) > 0 {
		return types, nil
	}
	for _, t := range reg.Types() {
		if now, ok := reg.Current(t.Name()); ok {
			t = now
		}
		add(t)
	}
	return types, nil
}

// givenExamples reads TYPE.json of each type that has one and judges it as a record to be published.
func givenExamples(dir string, types []*schemas.Type) (map[string][]byte, error) {
	given := map[string][]byte{}
	if dir == "" {
		return given, nil
	}
	if _, err := os.Stat(dir); err != nil {
		return nil, err
	}
	for _, t := range types {
		file := filepath.Join(dir, t.Name()+".json")
		data, err := readExample(file, t)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		given[t.Name()] = data
	}
	return given, nil
}

// readExample reads the one record of a file.
func readExample(file string, t *schemas.Type) ([]byte, error) {
	fd, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer fd.Close()
	r, err := records.Open(fd, file, t, records.UTF8)
	if err != nil {
		return nil, readable(file, err)
	}
	rec, err := r.Next()
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, readable(file, err)
	}
	var detail []string
	switch {
	case err != nil:
		detail = []string{"no record"}
	case rec.Err != nil:
		detail = []string{rec.Err.Code}
	default:
		for _, fault := range judge(t, rec.Data) {
			detail = append(detail, fault.Pointer+" "+fault.Code)
		}
	}
	if len(detail) > 0 {
		check := "fayi schema check -type " + t.Name() + " " + file
		return nil, &said{code: "BAD_EXAMPLE", zh: "示例不合格：" + file, en: "the example is not valid: " + file, err: errors.New(strings.Join(detail, "\n")),
			hintZH: "用 " + check + " 查看并改正", hintEN: "see " + check}
	}
	return rec.Data, nil
}

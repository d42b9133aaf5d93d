package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"fayi/cmd/fayi/internal/config"
	"fayi/schemas"
	"fayi/schemas/diff"
)

var classZH = map[diff.Class]string{diff.Wording: "文字", diff.Compatible: "兼容", diff.Looser: "放宽", diff.Stricter: "收紧", diff.Breaking: "不兼容"}

func schemaDiff(_ context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi schema diff", args: "OLD NEW",
		zh: "比较两个数据规范包，逐处说明改动属于哪一类、为什么。OLD 和 NEW 各为规范包目录、-（程序自带的规范包），\n" +
			"或 类型@版本#摘要（含有它的第一个规范包，加 -c 时也在节点的 packs 目录中找）。\n" +
			"文字：只改说明。兼容：原来合格的记录仍合格，只是可写的内容多了。放宽：规则变松，接收方应知道。\n" +
			"收紧：原来合格的记录可能不合格；不能证明不会的，也算收紧。不兼容：类型、字段、主键或去向变了。\n" +
			"只有文字和兼容的改动时退出码为 0，其余为 3。",
		en: "Compare two schema packs and tell for every change what class it is of, and why. OLD and NEW are each the folder of a pack, - for the pack\n" +
			"of this program, or type@version#digest for the first pack that holds it (with -c also among the node's packs).\n" +
			"wording: descriptions only. compatible: what was accepted still is, and more may be written. looser: a rule is weaker, readers should know.\n" +
			"stricter: what was accepted may be refused, or it cannot be shown that it is not. breaking: a type, field, key or destination is another.\n" +
			"Exit code 0 if all changes are wording or compatible, 3 otherwise.",
		example: "fayi schema diff - packs/national-1.1.0"})
	conf, asJSON := f.packsFlag(), f.asJSON()
	rest, code, ok := f.parse(args)
	if !ok {
		return code
	}
	if len(rest) != 2 {
		return f.usage("要写两个规范包 OLD 和 NEW", "two packs, OLD and NEW, are needed")
	}
	old, err := readPack(rest[0], *conf)
	if err != nil {
		return e.fail(err)
	}
	new, err := readPack(rest[1], *conf)
	if err != nil {
		return e.fail(err)
	}
	changes := diff.Compare(old, new)
	worst := diff.Worst(changes)
	count := map[diff.Class]int{diff.Wording: 0, diff.Compatible: 0, diff.Looser: 0, diff.Stricter: 0, diff.Breaking: 0}
	for _, c := range changes {
		count[c.Class]++
	}
	if *asJSON {
		e.json(map[string]any{"old": packOf(old), "new": packOf(new), "class": worst, "count": count, "changes": append([]diff.Change{}, changes...)})
	} else {
		for _, c := range changes {
			e.showChange(c)
		}
		e.say("%s 与 %s 之间有 %d 处改动：不兼容 %d，收紧 %d，放宽 %d，兼容 %d，文字 %d", "%s to %s: %d changes, %d breaking, %d stricter, %d looser, %d compatible, %d wording",
			packOf(old), packOf(new), len(changes), count[diff.Breaking], count[diff.Stricter], count[diff.Looser], count[diff.Compatible], count[diff.Wording])
	}
	switch worst {
	case "", diff.Wording, diff.Compatible:
		return exitOK
	}
	return exitProblem
}

// showChange prints a change, where it is and why it is of its class.
func (e *env) showChange(c diff.Change) {
	where := c.Type
	if c.Pointer != "" {
		where += " " + c.Pointer
	}
	if where != "" {
		where += " "
	}
	if e.english {
		e.say("", "%s: %s%s", c.Class, where, c.MessageEN)
		e.say("", "  %s", c.WhyEN)
		return
	}
	e.say("%s：%s%s", "", classZH[c.Class], where, c.Message)
	e.say("  %s", "", c.Why)
}

// readPack loads the pack an argument names: a folder, "-", or a type's reference.
func readPack(arg, conf string) (diff.Pack, error) {
	switch {
	case arg == "-":
		return loadPack(schemas.Embedded())
	case !strings.Contains(arg, "@") || !strings.Contains(arg, "#"):
		if _, err := os.Stat(filepath.Join(arg, "pack.json")); err != nil {
			return diff.Pack{}, err
		}
		return loadPack(os.DirFS(arg))
	}
	packs := []fs.FS{schemas.Embedded()}
	if conf != "" {
		c, err := config.Load(conf)
		if err != nil {
			return diff.Pack{}, err
		}
		dir := c.Abs(c.Packs)
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return diff.Pack{}, err
		}
		for _, entry := range entries {
			if entry.IsDir() {
				packs = append(packs, os.DirFS(filepath.Join(dir, entry.Name())))
			}
		}
	}
	for _, p := range packs {
		pack, err := loadPack(p)
		if err != nil {
			return diff.Pack{}, err
		}
		for _, t := range pack.Types {
			if t.Ref() == arg {
				return pack, nil
			}
		}
	}
	return diff.Pack{}, &said{code: "UNKNOWN_PACK", zh: "没有规范包含有 " + arg, en: "no pack holds " + arg,
		hintZH: "核对摘要（见 fayi schema list -json 的 ref）；规范包在节点的 packs 目录时加 -c fayi.yaml",
		hintEN: "check the digest (ref in fayi schema list -json); add -c fayi.yaml if the pack is among the node's"}
}

func loadPack(fsys fs.FS) (diff.Pack, error) {
	r, err := schemas.Load(fsys)
	if err != nil {
		return diff.Pack{}, err
	}
	return diff.Of(r), nil
}

// packOf is name and version of a pack.
func packOf(p diff.Pack) string {
	name, version := p.Types[0].Pack() // a pack has at least one type
	return fmt.Sprintf("%s %s", name, version)
}

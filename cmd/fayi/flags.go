package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// help describes a command; its flags describe themselves.
type help struct {
	name    string // as typed: "fayi peer list"
	args    string // what follows the flags, such as "TYPE FILE…"
	zh, en  string // what it does
	example string // a line that can be run
}

// flags is the flag set of one command. Flags may stand before and after
// arguments; "--" ends them.
type flags struct {
	e    *env
	h    help
	set  *flag.FlagSet
	lang string
}

func (e *env) flags(h help) *flags {
	f := &flags{e: e, h: h, set: flag.NewFlagSet(h.name, flag.ContinueOnError)}
	f.set.SetOutput(io.Discard)
	f.set.Usage = func() {}
	f.set.StringVar(&f.lang, "lang", "", bilingual("文字用中文 `zh` 或英文 en", "text in Chinese `zh` or English en"))
	return f
}

const langSep = "\x00"

// bilingual is a usage text in both languages; `quoted` words name the value.
func bilingual(zh, en string) string { return zh + langSep + en }

func (f *flags) string(name, def, zh, en string) *string {
	return f.set.String(name, def, bilingual(zh, en))
}

func (f *flags) bool(name, zh, en string) *bool { return f.set.Bool(name, false, bilingual(zh, en)) }

func (f *flags) uint64(name string, def uint64, zh, en string) *uint64 {
	return f.set.Uint64(name, def, bilingual(zh, en))
}

// config and asJSON are flags most commands have.
func (f *flags) config() *string {
	return f.string("c", "fayi.yaml", "节点配置`文件`", "the node's configuration `file`")
}

func (f *flags) asJSON() *bool {
	return f.bool("json", "结果输出为 JSON", "print the result as JSON")
}

// parse reads args. If it is not ok the command ends with the exit code.
func (f *flags) parse(args []string) (rest []string, code int, ok bool) {
	var after []string
	if i := slices.Index(args, "--"); i >= 0 {
		args, after = args[:i], args[i+1:]
	}
	f.findLang(args)
	for {
		if err := f.set.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				f.print(f.e.stdout)
				return nil, exitOK, false
			}
			zh, en := f.word(err)
			return nil, f.usage(zh, en), false
		}
		if f.set.NArg() == 0 {
			break
		}
		rest, args = append(rest, f.set.Arg(0)), f.set.Args()[1:]
	}
	switch f.lang {
	case "":
	case "zh", "en":
		f.e.english = f.lang == "en"
	default:
		return nil, f.usage("-lang 只能是 zh 或 en", "-lang is zh or en"), false
	}
	return append(rest, after...), exitOK, true
}

// findLang sets the language before anything is said about the other flags.
func (f *flags) findLang(args []string) {
	for i, a := range args {
		if name := strings.TrimLeft(a, "-"); name != a && (name == "lang" || strings.HasPrefix(name, "lang=")) {
			f.e.langFlag(args[i:])
		}
	}
}

var flagError = []struct {
	match  *regexp.Regexp
	zh, en string
}{
	{regexp.MustCompile(`^flag provided but not defined: (-\S*)$`), "没有选项 %s", "no flag %s"},
	{regexp.MustCompile(`^flag needs an argument: (-\S*)$`), "选项 %s 后面要写值", "flag %s needs a value"},
	{regexp.MustCompile(`^invalid (?:boolean )?value ".*" for (?:flag )?(-[^:]*):`), "选项 %s 的值不正确", "the value of flag %s is not valid"},
	{regexp.MustCompile(`^bad flag syntax: (.*)$`), "选项写法不对：%s", "bad flag: %s"},
}

// word turns package flag's English errors into sentences of ours.
func (f *flags) word(err error) (zh, en string) {
	for _, w := range flagError {
		if m := w.match.FindStringSubmatch(err.Error()); m != nil {
			return fmt.Sprintf(w.zh, m[1]), fmt.Sprintf(w.en, m[1])
		}
	}
	return "选项不正确：" + err.Error(), "bad flags: " + err.Error()
}

// usage says what was wrong with the command line.
func (f *flags) usage(zh, en string) int { return f.e.usage(f.h.name, zh, en) }

// print writes the help.
func (f *flags) print(w io.Writer) {
	e := f.e
	fmt.Fprintf(w, "%s\n\n%s\n  %s", e.text(f.h.zh, f.h.en), e.text("用法：", "Usage:"), f.h.name)
	fmt.Fprintf(w, " %s", e.text("[选项]", "[flags]"))
	if f.h.args != "" {
		fmt.Fprintf(w, " %s", f.h.args)
	}
	fmt.Fprintf(w, "\n\n%s\n", e.text("选项：", "Flags:"))
	f.set.VisitAll(func(fl *flag.Flag) {
		zh, en, _ := strings.Cut(fl.Usage, langSep)
		one := *fl
		one.Usage = e.text(zh, en)
		value, usage := flag.UnquoteUsage(&one)
		left := "-" + fl.Name
		if value != "" {
			left += " " + value
		}
		if fl.DefValue != "" && fl.DefValue != "false" && fl.DefValue != "0" {
			usage += e.text("（默认 ", " (default ") + fl.DefValue + e.text("）", ")")
		}
		fmt.Fprintf(w, "  %s%s  %s\n", left, strings.Repeat(" ", max(0, 18-width(left))), usage)
	})
	fmt.Fprintf(w, "\n%s\n  %s\n", e.text("示例：", "Example:"), f.h.example)
}

// width counts columns: a Chinese character takes two.
func width(s string) int {
	n := 0
	for _, r := range s {
		if n++; r >= 0x2e80 {
			n++
		}
	}
	return n
}

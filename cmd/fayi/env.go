package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mattn/go-isatty"
)

// Exit codes (design §10).
const (
	exitOK      = 0
	exitFailed  = 1
	exitUsage   = 2
	exitProblem = 3
)

// env is what a command has of the world.
type env struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	english        bool
	terminal       bool // standard error is one
}

func newEnv() *env {
	return &env{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		english:  os.Getenv("FAYI_LANG") == "en",
		terminal: isatty.IsTerminal(os.Stderr.Fd()),
	}
}

// text is the sentence in the language asked for.
func (e *env) text(zh, en string) string {
	if e.english {
		return en
	}
	return zh
}

// say prints a line of the result.
func (e *env) say(zh, en string, args ...any) { fmt.Fprintf(e.stdout, e.text(zh, en)+"\n", args...) }

// note prints a line about what happens, to standard error.
func (e *env) note(zh, en string, args ...any) { fmt.Fprintf(e.stderr, e.text(zh, en)+"\n", args...) }

// json prints a value as the command's result.
func (e *env) json(v any) {
	enc := json.NewEncoder(e.stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v) // a closed pipe is the reader's decision
}

// table prints rows under a heading, columns aligned; a Chinese character is
// two columns wide. Tabs and line ends in a cell become spaces.
func (e *env) table(rows [][]string) {
	clean := strings.NewReplacer("\t", " ", "\n", " ", "\r", " ")
	var wide []int
	for _, r := range rows {
		for i := range r {
			r[i] = clean.Replace(r[i])
			if i == len(wide) {
				wide = append(wide, 0)
			}
			wide[i] = max(wide[i], width(r[i]))
		}
	}
	for _, r := range rows {
		var b strings.Builder
		for i, cell := range r {
			b.WriteString(cell + strings.Repeat(" ", wide[i]-width(cell)+2))
		}
		fmt.Fprintln(e.stdout, strings.TrimRight(b.String(), " "))
	}
}

// list joins words as the language does.
func (e *env) list(words []string) string { return strings.Join(words, e.text("、", ", ")) }

// group is a command that only holds others.
type group struct {
	name     string // as typed: "fayi peer"
	commands []command
	zh, en   string
	example  string
}

// group runs the subcommand that args name.
func (e *env) group(ctx context.Context, g group, args []string) int {
	for len(args) > 0 && strings.HasPrefix(args[0], "-lang") || len(args) > 0 && strings.HasPrefix(args[0], "--lang") {
		rest, ok := e.langFlag(args)
		if !ok {
			return e.usage(g.name, "-lang 只能是 zh 或 en", "-lang is zh or en")
		}
		args = rest
	}
	if len(args) == 0 {
		e.groupHelp(e.stderr, g)
		return exitUsage
	}
	switch args[0] {
	case "-h", "-help", "--help", "help":
		if len(args) > 1 && args[0] == "help" {
			return e.group(ctx, g, append(args[1:2:2], "-h"))
		}
		for _, a := range args[1:] { // fayi -h -lang en
			if strings.HasPrefix(a, "-") {
				e.langFlag(args[1:])
			}
		}
		e.groupHelp(e.stdout, g)
		return exitOK
	}
	for _, c := range g.commands {
		if c.name == args[0] {
			return c.run(ctx, e, args[1:])
		}
	}
	names := make([]string, len(g.commands))
	for i, c := range g.commands {
		names[i] = c.name
	}
	return e.usage(g.name, fmt.Sprintf("没有子命令 %q，可用的有 %s", args[0], strings.Join(names, "、")),
		fmt.Sprintf("no subcommand %q; there are %s", args[0], strings.Join(names, ", ")))
}

// langFlag takes -lang from the front of args.
func (e *env) langFlag(args []string) (rest []string, ok bool) {
	flag, value, has := strings.Cut(strings.TrimLeft(args[0], "-"), "=")
	rest = args[1:]
	if !has && len(rest) > 0 {
		value, rest = rest[0], rest[1:]
	}
	if flag != "lang" || value != "zh" && value != "en" {
		return args, false
	}
	e.english = value == "en"
	return rest, true
}

func (e *env) groupHelp(w io.Writer, g group) {
	fmt.Fprintf(w, "%s\n\n%s\n", e.text(g.zh, g.en), e.text("用法：", "Usage:"))
	fmt.Fprintf(w, "  %s %s\n\n%s\n", g.name, e.text("子命令 [选项] [参数]", "SUBCOMMAND [flags] [arguments]"), e.text("子命令：", "Subcommands:"))
	for _, c := range g.commands {
		fmt.Fprintf(w, "  %-9s %s\n", c.name, e.text(c.zh, c.en))
	}
	fmt.Fprintf(w, "\n%s\n%s\n  %s\n", e.text("各子命令加 -h 看说明，加 -lang en 用英文。", "Add -h to a subcommand for its help, -lang zh for Chinese."), e.text("示例：", "Example:"), g.example)
}

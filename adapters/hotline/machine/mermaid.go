package machine

import (
	"fmt"
	"strings"

	"fayi/adapters/hotline/ticket"
)

// Document is the page docs/hotline-states.md: the diagram in Mermaid and the table, both from table.txt.
func Document() string {
	var b strings.Builder
	b.WriteString("# 工单流转状态图\n\n本页由 `go generate ./adapters/hotline/machine` 从 `table.txt` 生成，请勿手改。角色：O 转出方，T 承接方，S 节点，V 裁定人。\n\n```mermaid\nstateDiagram-v2\n")
	for _, s := range life.states {
		fmt.Fprintf(&b, "    %s: %s<br/>%s\n", s, s, ticket.Label("stateOrigin", string(s)))
	}
	b.WriteString("    [*] --> DRAFT\n")
	for _, r := range Rules() {
		to := []ticket.State{r.To}
		if r.To == previous {
			to = nil
			for _, q := range Rules() {
				if q.To == r.From {
					to = append(to, q.From)
				}
			}
		}
		for _, t := range to {
			fmt.Fprintf(&b, "    %s --> %s: %s [%s]\n", r.From, t, ticket.Label("verb", string(r.Verb)), roles(r.Who))
		}
	}
	for _, s := range life.states {
		if len(outOf(s)) == 0 || s == ticket.Closed {
			fmt.Fprintf(&b, "    %s --> [*]\n", s)
		}
	}
	b.WriteString("```\n\n| 编号 | 从 | 动作 | 谁 | 到 |\n|--|--|--|--|--|\n")
	for _, r := range Rules() {
		fmt.Fprintf(&b, "| %s | %s | `%s` %s | %s | %s |\n", r.ID, r.From, r.Verb, ticket.Label("verb", string(r.Verb)), roles(r.Who), r.To)
	}
	return b.String()
}

func outOf(s ticket.State) (out []Rule) {
	for _, r := range Rules() {
		if r.From == s {
			out = append(out, r)
		}
	}
	return out
}

func roles(who []ticket.Role) string {
	var b strings.Builder
	for _, r := range who {
		b.WriteString(string(r))
	}
	return b.String()
}

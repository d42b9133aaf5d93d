package main

import (
	"context"
	"io/fs"
	"os"
	"strings"

	"fayi/cmd/fayi/internal/config"
	"fayi/gateway/join"
	"fayi/gateway/problem"
	"fayi/gateway/store"
)

// openNode reads a configuration and opens its database.
func (e *env) openNode(ctx context.Context, path string) (*store.Store, *config.File, error) {
	c, err := config.Load(path)
	if err != nil {
		return nil, nil, err
	}
	st, err := c.OpenStore(ctx)
	if err != nil {
		return nil, nil, err
	}
	return st, c, nil
}

// openMigrated is openNode for commands that use the node's tables.
func (e *env) openMigrated(ctx context.Context, path string) (*store.Store, *config.File, error) {
	c, err := config.Load(path)
	if err != nil {
		return nil, nil, err
	}
	st, err := e.migrated(ctx, c)
	return st, c, err
}

// migrated opens a node's database, which must be at this program's version.
func (e *env) migrated(ctx context.Context, c *config.File) (*store.Store, error) {
	st, err := c.OpenStore(ctx)
	if err != nil {
		return nil, err
	}
	names, err := st.Pending(ctx)
	if err == nil && len(names) > 0 {
		t := problem.Describe(problem.Behind)
		err = &said{code: problem.Behind, zh: t.Zh, en: t.En, hintZH: t.Hint, hintEN: "run fayi migrate -c fayi.yaml"}
	}
	if err != nil {
		st.Close()
		return nil, err
	}
	return st, nil
}

// readJoin reads one of the three files of a join.
func readJoin[T join.Invite | join.Request | join.Approval](path string) (*T, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return join.Read[T](f)
}

// writeJoin writes one of them to a file that must not exist. They are mode
// 0600: an invitation holds a code that serves once.
func writeJoin[T join.Invite | join.Request | join.Approval](path string, v *T) error {
	b, err := join.Bytes(v)
	if err != nil {
		return err
	}
	return writeNew(path, b)
}

// writeNew writes a private file that must not exist.
func writeNew(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		os.Remove(path)
	}
	return err
}

// roleOf reads the tier off a division code (GB/T 2260): 100000 the nation,
// ..0000 a province, ....00 a city, any other six digits a county.
func roleOf(node string) string {
	if len(node) != 6 || strings.Trim(node, "0123456789") != "" {
		return ""
	}
	switch {
	case node == "100000":
		return join.Ministry
	case strings.HasSuffix(node, "0000"):
		return join.Province
	case strings.HasSuffix(node, "00"):
		return join.City
	}
	return join.County
}

// place puts together what flags say about a node.
func place(node, zh, en, role, territory string, root bool) (join.Place, error) {
	if role == "" {
		role = roleOf(node)
	}
	p := join.Place{Node: node, Role: role}
	p.Names.Zh, p.Names.En = zh, en
	switch territory {
	case "":
		p.Territory = join.DefaultTerritory(node, role, root)
	case "-":
		p.Territory = []string{}
	default:
		for t := range strings.SplitSeq(territory, ",") {
			if t == "*" {
				t = ""
			}
			p.Territory = append(p.Territory, t)
		}
	}
	if role == "" {
		return p, &said{code: join.CodePlace, zh: "从节点标识看不出角色，请用 -role 写明", en: "the node id does not tell the role; state it with -role",
			hintZH: "角色为 " + strings.Join(join.Roles(), "、") + " 之一", hintEN: "a role is one of " + strings.Join(join.Roles(), ", ")}
	}
	return p, nil
}

// territoryText shows a territory.
func (e *env) territoryText(t []string) string {
	if len(t) == 0 {
		return e.text("无", "none")
	}
	words := make([]string, len(t))
	for i, p := range t {
		words[i] = p + "…"
		if p == "" {
			words[i] = e.text("全部", "all")
		}
	}
	return e.list(words)
}

// absent is an error if any of the paths exists.
func absent(paths ...string) error {
	for _, p := range paths {
		if _, err := os.Lstat(p); !os.IsNotExist(err) {
			return &fs.PathError{Op: "create", Path: p, Err: fs.ErrExist}
		}
	}
	return nil
}

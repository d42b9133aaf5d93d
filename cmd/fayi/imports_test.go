package main

import (
	"os/exec"
	"strings"
	"testing"
)

// allowed is the direction of imports (docs/design.md, layout): what packages
// below a folder may import of this module, beside packages of their own folder.
var allowed = map[string][]string{
	"fayi/crypto":             {"fayi/crypto"},
	"fayi/schemas":            {"fayi/schemas"},
	"fayi/outbox":             {},
	"fayi/gateway":            {"fayi/gateway", "fayi/crypto", "fayi/schemas", "fayi/outbox"},
	"fayi/gateway/problem":    {},
	"fayi/gateway/store":      {"fayi/outbox"},
	"fayi/adapters":           {"fayi/adapters", "fayi/gateway", "fayi/schemas", "fayi/outbox"}, // a source has an outbox
	"fayi/conformance":        {"fayi/conformance", "fayi/crypto", "fayi/schemas"},              // never gateway: it judges any node
	"fayi/cmd":                {"fayi/cmd", "fayi/adapters", "fayi/gateway", "fayi/crypto", "fayi/schemas", "fayi/outbox"},
	"fayi/docs":               {},
	"fayi/outbox/mariadbtest": {"fayi/outbox/mariadbd"},
}

// foreign is what packages below a folder may import beside this module and the
// standard library; "" ends the list of those that may import nothing.
var foreign = map[string][]string{
	"fayi/crypto":             {"github.com/emmansun/gmsm", "github.com/klauspost/compress", "golang.org/x/sys/cpu"},
	"fayi/schemas":            {"github.com/santhosh-tekuri/jsonschema/v6", "golang.org/x/text", "github.com/gowebpki/jcs", "github.com/emmansun/gmsm"},
	"fayi/outbox":             {}, // a business system imports it with database/sql alone
	"fayi/outbox/mariadbtest": {},
	"fayi/conformance":        {},
}

// deepest returns the entry of a table for the longest folder that holds pkg.
func deepest[T any](table map[string]T, pkg string) (v T, ok bool) {
	best := ""
	for folder, x := range table {
		if (pkg == folder || strings.HasPrefix(pkg, folder+"/")) && len(folder) > len(best) {
			best, v, ok = folder, x, true
		}
	}
	return v, ok
}

func within(pkg string, folders []string) bool {
	for _, f := range folders {
		if pkg == f || strings.HasPrefix(pkg, f+"/") {
			return true
		}
	}
	return false
}

func TestImportsGoOneWay(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}} {{join .Imports \" \"}}", "fayi/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := 0
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		pkg := f[0]
		packages++
		inside, ok := deepest(allowed, pkg)
		if !ok {
			t.Errorf("%s lies in no folder of the layout", pkg)
		}
		outside, restricted := deepest(foreign, pkg)
		for _, imp := range f[1:] {
			switch {
			case strings.HasPrefix(imp, "fayi/"):
				if !within(imp, inside) && !within(imp, []string{pkg}) {
					t.Errorf("%s may not import %s", pkg, imp)
				}
			case strings.Contains(strings.Split(imp, "/")[0], "."):
				if restricted && !within(imp, outside) {
					t.Errorf("%s may not import %s", pkg, imp)
				}
				if strings.Contains(imp, "tjfoc") {
					t.Errorf("%s imports the second implementation, which is for tests only", pkg)
				}
			case imp == "testing" && !strings.HasSuffix(pkg, "test"):
				t.Errorf("%s imports testing", pkg)
			}
		}
	}
	if packages < 20 {
		t.Fatalf("only %d packages listed", packages)
	}
}

package problem

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
)

// TestEveryCodeIsDescribed: a code without words would reach a person naked.
func TestEveryCodeIsDescribed(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "codes.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ast.Inspect(file, func(node ast.Node) bool {
		d, ok := node.(*ast.GenDecl)
		if !ok || d.Tok != token.CONST {
			return true
		}
		for _, s := range d.Specs {
			code, err := strconv.Unquote(s.(*ast.ValueSpec).Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			n++
			text := Describe(code)
			if text.Zh == code || text.Zh == "" || text.En == "" || text.Hint == "" {
				t.Errorf("%s: %+v", code, text)
			}
			if code != strings.ToUpper(code) || strings.ContainsAny(code, " -") {
				t.Errorf("%q is not written like the others", code)
			}
		}
		return false
	})
	if n != len(table)-1 { // the table also describes OK
		t.Errorf("%d codes, %d described", n, len(table)-1)
	}
	if got := Describe("NOT_IN_TABLE"); got.Zh != "NOT_IN_TABLE" || got.En != "NOT_IN_TABLE" {
		t.Error(got)
	}
}

// TestCodes: a code survives wrapping; an error without one is INTERNAL, and
// what caused it is for the log only.
func TestCodes(t *testing.T) {
	cause := errors.New("dial tcp 10.0.0.7: refused")
	for _, x := range []struct {
		err  error
		code string
	}{
		{nil, OK}, {cause, Internal}, {New(Gap, "from %d", 7), Gap}, {fmt.Errorf("push: %w", New(Gap, "")), Gap}, {Wrap(Unreachable, cause), Unreachable},
	} {
		if got := Code(x.err); got != x.code {
			t.Errorf("%v: %s", x.err, got)
		}
	}
	if err := Wrap(Unreachable, cause); !errors.Is(err, cause) || !strings.Contains(err.Error(), cause.Error()) {
		t.Error(err)
	}
	for _, err := range []error{cause, Wrap(Unreachable, cause)} {
		if d := Documented(err); strings.Contains(fmt.Sprint(d), "10.0.0.7") {
			t.Errorf("shown: %+v", d)
		}
	}
	if d := Documented(New(Gap, "from %d", 7)); d.Code != Gap || d.Detail != "from 7" || d.Message == "" || d.MessageEN == "" {
		t.Errorf("%+v", d)
	}
}

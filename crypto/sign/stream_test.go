package sign_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"fayi/crypto/sign"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestParseStream(t *testing.T) {
	n32 := strings.Repeat("a", 32)
	for name, want := range map[string]sign.Stream{
		"610800/legal_aid_case/upstream":               {"610800", "legal_aid_case", sign.Upstream},
		"610000/exchange_node/public":                  {"610000", "exchange_node", sign.Public},
		"100000/pack/downstream":                       {"100000", "pack", sign.Downstream},
		"x-/t0/test":                                   {"x-", "t0", sign.Test},
		"610800/ticket/to-610000":                      {"610800", "ticket", "to-610000"},
		"610800/ticket/to-610000+610700":               {"610800", "ticket", "to-610000+610700"},
		"610800/ticket/to-610800-12345":                {"610800", "ticket", "to-610800-12345"},
		"610800/ticket/to-to":                          {"610800", "ticket", "to-to"},
		n32 + "/a" + strings.Repeat("_", 47) + "/test": {n32, "a" + strings.Repeat("_", 47), sign.Test},
		"aa/aa/to-" + n32[:28] + "+" + n32:             {"aa", "aa", "to-" + n32[:28] + "+" + n32}, // 64 characters
	} {
		got, err := sign.ParseStream(name)
		if err != nil || got != want || got.String() != name {
			t.Errorf("%s is read as %v, %v", name, got, err)
		}
	}
	for _, name := range []string{
		"", "/", "//", "610800", "610800/case", "610800/case/upstream/", "/610800/case/upstream", "610800//upstream", "610800/case/",
		"6/case/upstream", "-10800/case/upstream", n32 + "a/case/upstream", "610A00/case/upstream", "６10800/case/upstream", "610 00/case/upstream", "610800\n/case/upstream",
		"610800/c/upstream", "610800/0case/upstream", "610800/_case/upstream", "610800/Case/upstream", "610800/case-a/upstream", "610800/" + strings.Repeat("a", 49) + "/upstream",
		"610800/case/up", "610800/case/Upstream", "610800/case/upstream ", "610800/case/upstream\n", "610800/case/upſtream", "610800/case/any", "610800/case/public+test",
		"610800/case/to", "610800/case/to-", "610800/case/to-+", "610800/case/to-610000+", "610800/case/to-+610000", "610800/case/to-610000++610700", "610800/case/to-610700+610000",
		"610800/case/to-610000+610000", "610800/case/to-6", "610800/case/to--61", "610800/case/to-61_0", "610800/case/to-610000,610700",
		"aa/aa/to-" + n32[:29] + "+" + n32, // 65 characters
		"aa/aa/to-" + n32 + "+" + n32[:28], // not sorted
		"610800/case/to-" + strings.Repeat("10+", 1<<16) + "20",
		"610800\x00/case/upstream", "610800/case/../upstream", `610800\case\upstream`,
	} {
		if got, err := sign.ParseStream(name); err != sign.ErrStreamName || got != (sign.Stream{}) {
			t.Errorf("%.80q is read as %v, %v", name, got, err)
		}
	}
}

// Whatever is accepted matches the expression of protocol §1, is one of the
// closed list, and is written as it was read.
func TestStreamNames(t *testing.T) {
	form := regexp.MustCompile(`\A[0-9a-z][0-9a-z-]{1,31}/[a-z][a-z0-9_]{1,47}/[a-z0-9+-]{1,64}\z`)
	word := regexp.MustCompile(`/(upstream|downstream|public|test)\z`)
	list := regexp.MustCompile(`/(upstream|downstream|public|test|to-[^/]+)\z`)
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(
			rapid.Custom(func(t *rapid.T) string { return drawStream(t, drawNode(t)) }),
			rapid.StringMatching(`[0-9a-z-]{0,33}/[a-z0-9_]{0,49}/(to-)?[a-z0-9+-]{0,65}`),
			rapid.String(),
		).Draw(t, "name")
		s, err := sign.ParseStream(name)
		if err != nil {
			if form.MatchString(name) && word.MatchString(name) {
				t.Fatalf("%q is refused", name)
			}
			return
		}
		if !form.MatchString(name) || !list.MatchString(name) || s.String() != name {
			t.Fatalf("%q is accepted as %v", name, s)
		}
		if !sign.ValidNode(s.Origin) || !sign.ValidType(s.Type) {
			t.Fatalf("%q has parts %v", name, s)
		}
		if nodes := s.ToNodes(); nodes != nil && (!slices.IsSorted(nodes) || sign.To(nodes...) != s.Audience) {
			t.Fatalf("%q is for %v", name, nodes)
		}
	})
}

func TestTo(t *testing.T) {
	if got := sign.To("610700", "610000", "610700"); got != "to-610000+610700" {
		t.Errorf("audience %s", got)
	}
	for audience, want := range map[string][]string{
		"to-610000+610700": {"610000", "610700"},
		"to-610000":        {"610000"},
		sign.Upstream:      nil,
		sign.Test:          nil,
	} {
		if diff := cmp.Diff(want, (sign.Stream{Audience: audience}).ToNodes()); diff != "" {
			t.Errorf("%s: %s", audience, diff)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		nodes := rapid.SliceOfNDistinct(rapid.StringMatching(`[0-9a-z][0-9a-z-]{1,8}`), 1, 5, rapid.ID).Draw(t, "nodes")
		name := sign.Stream{"610800", "ticket", sign.To(nodes...)}.String()
		s, err := sign.ParseStream(name)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		slices.Sort(nodes)
		if !slices.Equal(s.ToNodes(), nodes) {
			t.Fatalf("%s is for %v, want %v", name, s.ToNodes(), nodes)
		}
	})
}

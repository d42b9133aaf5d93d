package schemas

import (
	"bytes"
	"testing"
	"time"
)

// edition reads the small pack with edits.
func edition(t testing.TB, edits ...[3]string) *Edition {
	t.Helper()
	e, err := Read(smallPack(t, edits...))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// version edits the manifest's version and days.
func version(v, from, until string) [3]string {
	days := `"from":"` + from + `"`
	if until != "" {
		days += `,"until":"` + until + `"`
	}
	return [3]string{"pack.json", `"version":"1.0.0","title":"小","en":"small","from":"2026-01-01"`, `"version":"` + v + `","title":"小","en":"small",` + days}
}

// TestEditionsByDate: of one pack the highest version whose days hold the moment
// judges new records, whatever the order in which they came; a type it leaves
// out is gone; every version ever read judges what names it.
func TestEditionsByDate(t *testing.T) {
	second := [3]string{"pack.json", `{"name":"thing","version":1,`, `{"name":"thing","version":2,`}
	longer := func(n string) [3]string { return [3]string{"types/thing.json", `"maxLength":8`, `"maxLength":` + n} }
	// 1.0.0 from January; 1.1.0 in March, with the same type; 1.2.0 from May to July; 1.3.0 from June without the type.
	v10 := edition(t)
	v11 := edition(t, version("1.1.0", "2026-03-01", ""))
	v12 := edition(t, version("1.2.0", "2026-05-01", "2026-07-01"), second, longer("4"))
	files := smallPack(t, version("1.3.0", "2026-06-01", "2026-06-10"))
	files["types/other.json"] = files["types/thing.json"]
	files["pack.json"].Data = bytes.ReplaceAll(files["pack.json"].Data, []byte(`"name":"thing"`), []byte(`"name":"other"`))
	delete(files, "types/thing.json")
	v13, err := Read(files)
	if err != nil {
		t.Fatal(err)
	}
	base := new(Registry).With(v10)
	for name, order := range map[string][]*Edition{"in order": {v11, v12, v13}, "backwards": {v13, v12, v11}} {
		now := packDay
		r := base.With(order...).At(func() time.Time { return now })
		for _, x := range []struct {
			day, thing, pack string
			other            bool
		}{
			{"2025-12-31", "", "", false},
			{"2026-01-01", v10.Type("thing").Ref(), "1.0.0", false},
			{"2026-03-01", v10.Type("thing").Ref(), "1.1.0", false},
			{"2026-05-01", v12.Type("thing").Ref(), "1.2.0", false},
			{"2026-06-01", "", "", true},
			{"2026-06-10", v12.Type("thing").Ref(), "1.2.0", false},
			{"2026-07-01", v11.Type("thing").Ref(), "1.1.0", false},
		} {
			now, _ = time.ParseInLocation(time.DateOnly, x.day, chinaTime)
			ref, pack := "", ""
			if ty, ok := r.Current("thing"); ok {
				ref = ty.Ref()
				_, pack = ty.Pack()
			}
			_, other := r.Current("other")
			if ref != x.thing || pack != x.pack || other != x.other {
				t.Errorf("%s, %s: %s of %s, other %v", name, x.day, ref, pack, other)
			}
			now = now.Add(-time.Nanosecond) // the day begins at midnight in China
		}
		for _, e := range []*Edition{v10, v11, v12, v13} {
			for _, ty := range e.Types {
				if got, ok := r.ByRef(ty.Ref()); !ok || got.Ref() != ty.Ref() {
					t.Errorf("%s: %s does not judge what names it", name, ty.Ref())
				}
			}
		}
		if n := len(r.Types()); n != 3 {
			t.Errorf("%s: %d types, want thing@1, thing@2 and other@1", name, n)
		}
	}
}

// TestKnownEdition: a pack that is only known judges what names it and nothing new.
func TestKnownEdition(t *testing.T) {
	v2 := edition(t, version("2.0.0", "2026-01-01", ""), [3]string{"types/thing.json", `"maxLength":8`, `"maxLength":4`})
	base := new(Registry).With(edition(t))
	r := base.Known(v2)
	if ty, ok := r.currentAt("thing", packDay); !ok || ty.packVersion != "1.0.0" {
		t.Error("a known pack judges new records")
	}
	if _, ok := r.ByRef(v2.Type("thing").Ref()); !ok {
		t.Error("a known pack is not found by reference")
	}
	if _, ok := base.ByRef(v2.Type("thing").Ref()); ok {
		t.Error("the registry it was made of changed")
	}
	if len(r.Types()) != 1 {
		t.Error("a known pack is listed among those in force")
	}
}

// TestSystemTypesAreTheFirst: no later pack changes the protocol's own records,
// neither by a newer version nor by calling a type of ours its own.
func TestSystemTypesAreTheFirst(t *testing.T) {
	system := [3]string{"pack.json", `"key":"id",`, `"key":"id","system":true,`}
	newer := version("2.0.0", "2026-02-01", "")
	shorter := [3]string{"types/thing.json", `"maxLength":8`, `"maxLength":4`}
	for name, x := range map[string]struct{ first, second *Edition }{
		"system then system":   {edition(t, system), edition(t, system, newer, shorter)},
		"system then business": {edition(t, system), edition(t, newer, shorter)},
	} {
		r := new(Registry).With(x.first).With(x.second)
		if ty, ok := r.currentAt("thing", packDay); !ok || ty != x.first.Type("thing") {
			t.Errorf("%s: judged by %v", name, ty)
		}
		if _, ok := r.ByRef(x.second.Type("thing").Ref()); !ok {
			t.Errorf("%s: the second is not known", name)
		}
	}
	// A business type that a later pack calls the protocol's: it is gone, never handed over.
	r := new(Registry).With(edition(t)).With(edition(t, system, newer))
	if ty, ok := r.currentAt("thing", packDay); ok {
		t.Errorf("judged by %s of %s", ty.Ref(), ty.packVersion)
	}
}

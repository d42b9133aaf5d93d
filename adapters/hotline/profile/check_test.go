package profile_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"fayi/adapters/hotline/profile"
	"fayi/adapters/hotline/ticket"
	"fayi/gateway/strictyaml"
)

// TestShippedProfilesAreWhole: what comes with the program has no hole.
func TestShippedProfilesAreWhole(t *testing.T) {
	t.Parallel()
	if len(profile.Shipped()) < 2 {
		t.Fatal(profile.Shipped())
	}
	for _, name := range profile.Shipped() {
		p, err := profile.Load(name)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if p.Profile != name {
			t.Errorf("%s calls itself %s", name, p.Profile)
		}
	}
}

// TestHolesAreNamed damages a good profile in one place at a time; the fault must
// be found where it was made.
func TestHolesAreNamed(t *testing.T) {
	t.Parallel()
	data, err := profile.Source("hotline-a@1")
	if err != nil {
		t.Fatal(err)
	}
	b, err := profile.Source("hotline-b@1")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, old, new, path, zh string }{
		{"verb with neither", "  urge: {call: event, code: ticket.urge}\n", "", "verbs.urge", "没有对应的操作，也没有降级"},
		{"verb with both", "  withdraw_agree: note_task", "  withdraw_agree: note_task\n  urge: note", "degrade.urge", "不能又降级"},
		{"call that is not there", "urge: {call: event,", "urge: {call: evnt,", "verbs.urge.call", "没有这个操作"},
		{"unknown verb in news", "ticket.urge: urge", "ticket.urge: urgent", "news.ticket.urge", "不是已知的动作"},
		{"field without a place", "        title: \"{appeal.title}\"\n        urgency", "        urgency", "calls.operations.offer.request", "没有放 appeal.title 的地方"},
		{"value that is not there", "{appeal.demand}", "{appeal.demnd}", "calls.operations.offer.request", "没有 appeal.demnd 这个值"},
		{"type without a code", `QZ: "2", `, "", "maps.appealType.out.QZ", "没有对应"},
		{"two types, one code", `TS: "3", JB: "4"`, `TS: "4", JB: "4"`, "maps.appealType.out", "往返不一致"},
		{"state that changes on its way", `"30": IN_PROGRESS`, `"30": ACCEPTED`, "maps.state.out.IN_PROGRESS", "往返不一致"},
		{"state that never comes back", `"90": WITHDRAWN}`, `"91": WITHDRAWN}`, "maps.state.in.90", "没有对应"},
		{"code list misspelt", "  satisfaction:\n", "  satisfied:\n", "maps.satisfaction", "没有写"},
		{"secret in the file", `["file:secrets/hotline-a.key"]`, `["abc123"]`, "calls.auth.secrets[0]", "不能直接写密钥"},
		{"template with a function", `"{appeal.title}"`, `"{appeal.title|exec}"`, "calls.operations.offer.request.title", "模板有误"},
		{"regex that is none", "contains: [时间戳]}", `matches: "(时间戳"}`, "calls.response.classify[2].when.matches", "正则"},
		{"no success", `success: {path: $.code, in: ["0"]}`, "success: {}", "calls.operations.offer", "成功的判断条件"},
		{"class of answers", "as: absent", "as: missing", "calls.response.classify[1]", "as 应为"},
		{"limit", "limit: 3WD", "limit: 3天", "clocks[2].limit", "应写作 5WD"},
		{"clock", "clock: C2, when", "clock: C9, when", "clocks[0].clock", "应为"},
		{"promise without operation", "    pull:\n", "    poll:\n", "capabilities.pull_events", "要有操作 calls.operations.pull"},
		{"key given twice", "query_by_source_id: true\n", "query_by_source_id: true\n  pull_events: open\n", "capabilities.pull_events", "重复"},
		{"weak without a list", "hmac-sm3, appId: yl12348", "tif-sha256, appId: yl12348", "calls.auth.kind", "transport.allow"},
		{"version", "hotline-a@1", "hotline-a", "profile", "名称@版本"},
		{"unknown key", "loop: {", "lop: {", "lop", "是否想写 loop"},
		{"no news", "push_events: true\n  pull_events: cursor", "push_events: false\n  pull_events: none", "capabilities", "收不到办理情况"},
		{"identity number", `citizenName: "{citizen.name}"`, "citizenName: \"{citizen.name}\"\n        idNo: \"{citizen.idNo}\"", "calls.operations.offer.request", "身份证件号码不得转出"},
		{"news without an act", "          type: \"{code}\"\n          orderNo: \"{peerNo}\"\n          status: \"{payload.peerState}\"", "          orderNo: \"{peerNo}\"", "calls.operations.pull.list.item", "没有取动作"},
		{"news without a time", "        time: \"{at|time}\"\n        dispatchTime: \"{dispatchAt|time}\"\n        user: \"{user}\"", "        user: \"{user}\"", "callbacks.operations.event.request", "没有取时间"},
		{"news that counts twice", "        eventId: \"{eventId}\"\n        round: \"{round|int}\"\n        type: \"{code}\"\n        orderNo: \"{peerNo}\"\n        status: \"{payload", "        round: \"{round|int}\"\n        type: \"{code}\"\n        orderNo: \"{peerNo}\"\n        status: \"{payload", "callbacks.operations.event.request", "会算两次"},
		{"their ticket without a title", "        title: \"{appeal.title}\"\n        content: \"{appeal.content}\"\n        demand: \"{appeal.demand}\"\n        classScheme", "        content: \"{appeal.content}\"\n        classScheme", "callbacks.operations.offer.request", "没有取 appeal.title"},
		{"directive", "meta: {$json:", "meta: {$file:", "calls.operations.upload.request.meta.$file", "没有这个指令"},
	} {
		text := strings.Replace(string(data), tc.old, tc.new, 1)
		if text == string(data) {
			t.Errorf("%s: nothing was changed", tc.name)
			continue
		}
		_, err := profile.Parse("x.yaml", []byte(text))
		var faults *strictyaml.Error
		if !errors.As(err, &faults) {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		found := false
		for _, f := range faults.Faults {
			if strings.HasPrefix(f.Path, tc.path) && strings.Contains(f.Message, tc.zh) && f.MessageEN != "" {
				found = true
			}
		}
		if !found {
			t.Errorf("%s: no fault at %s with %s, but\n%v", tc.name, tc.path, tc.zh, err)
		}
	}
	// All at once, in the order of lines.
	text := strings.NewReplacer("limit: 3WD", "limit: 3天", `QZ: "2", `, "", "  urge: {call: event, code: ticket.urge}\n", "").Replace(string(data))
	_, err = profile.Parse("x.yaml", []byte(text))
	var faults *strictyaml.Error
	if !errors.As(err, &faults) || len(faults.Faults) < 3 {
		t.Fatal(err)
	}
	last := 0
	for _, f := range faults.Faults {
		if f.Line > 0 && f.Line < last {
			t.Error("not in the order of lines:", err)
		}
		last = f.Line
	}
	if _, err := profile.Parse("x.yaml", []byte(strings.Replace(string(b), "    allow: [127.0.0.0/8]\n    times", "    times", 1))); err == nil || !strings.Contains(err.Error(), "transport.allow") {
		t.Errorf("MD5 without a list of addresses: %v", err)
	}
}

// TestDryRun: past tickets are mapped through a new version, and what stops some
// is named once with how many and which.
func TestDryRun(t *testing.T) {
	t.Parallel()
	p, err := profile.Load("hotline-a@1")
	if err != nil {
		t.Fatal(err)
	}
	var in strings.Builder
	for i := range 412 {
		o := profile.SampleOffer(ticket.Codes("appealType")[i%8].Code, i%3+1, 0, at)
		o.Appeal.ClassCode = []string{"0101", "0201", "0301"}[i%3]
		if i < 5 {
			o.Appeal.ClassCode = "Z99"
		}
		b, err := json.Marshal(ticket.Case{ID: fmt.Sprint("C", i), TicketNo: fmt.Sprint("YL-", i), Appeal: o.Appeal, Citizen: o.Citizen, Confidential: ticket.Confidential{LegalAdvice: "x"}})
		if err != nil {
			t.Fatal(err)
		}
		in.Write(append(b, '\n'))
	}
	d, err := p.Try(strings.NewReader(in.String()))
	if err != nil || d.Total != 412 || d.Mapped != 407 || len(d.Holes) != 1 || d.Holes[0].Tickets != 5 || d.Holes[0].Pointer != "/appeal/classCode" || d.Holes[0].Examples[0] != "YL-0" {
		t.Fatalf("%+v %v", d, err)
	}
	if len(d.Lossy) != 2 { // GX and QT
		t.Errorf("%+v", d.Lossy)
	}
	data, _ := profile.Source("hotline-a@1")
	next, err := profile.Parse("x", []byte(strings.NewReplacer("hotline-a@1", "hotline-a@2", `out: {"0101": "0101",`, `out: {"Z99": "0999", "0101": "0101",`).Replace(string(data))))
	if err != nil {
		t.Fatal(err)
	}
	if d, err = next.Try(strings.NewReader(in.String())); err != nil || d.Mapped != 412 || d.Total != 412 {
		t.Errorf("%+v %v", d, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range profile.Shipped() {
		data, err := profile.Source(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("profile: a@1\ncalls: {operations: {offer: {request: {$each: x}}}}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := profile.Parse("fuzz", data)
		if err == nil && p.Profile == "" {
			t.Error("accepted without a name")
		}
	})
}

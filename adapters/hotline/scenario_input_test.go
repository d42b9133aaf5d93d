package hotline_test

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"

	"fayi/adapters/hotline/desk"
	"fayi/adapters/hotline/ledger"
	"fayi/adapters/hotline/profile"
	"fayi/adapters/hotline/simulator"
	"fayi/adapters/hotline/ticket"
	"fayi/gateway/outer"
)

// A class the map does not have: dead with field and value; a newer profile has it, the replay needs no typing.
func TestScenario13(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.offer(partyA, w.kase(func(c *ticket.Case) { c.Appeal.ClassCode = "Z99" }))
	w.send(w.a)
	w.state_(id, ticket.Dead)
	dead, _ := w.l.DeadLetters(t.Context(), partyA)
	if len(dead) != 1 || !strings.Contains(dead[0].Said.Pointer, "class") || dead[0].Said.Value+dead[0].Said.Text == "" || !strings.Contains(dead[0].Said.Value+dead[0].Said.Text, "Z99") {
		t.Fatalf("%+v", dead)
	}
	if len(w.tasks("dead_offer")) != 1 || len(w.a.sim.Tickets()) != 0 {
		t.Error("no work item, or it was sent after all")
	}
	sent := w.offered(w.b, w.kase(func(c *ticket.Case) { c.Appeal.ClassCode = "Z99" })) // B takes what it has no class for
	if w.theirs(w.b, sent).Offer == nil {
		t.Error("B has no ticket")
	}
	w.edits["hotline-a@1"] = []string{"profile: hotline-a@1", "profile: hotline-a@2", `"0101": "0101"`, `"0101": "0101", "Z99": "9901"`}
	w.a.peer = w.peer(w.moved(w.a, w.source("hotline-a@1")))
	w.start()
	if err := w.desk.Replay(t.Context(), id, "agent1", nil); err != nil {
		t.Fatal(err)
	}
	w.send(w.a)
	if row := w.state_(id, ticket.Offered); row.Profile != "hotline-a@2" {
		t.Errorf("it runs under %s", row.Profile)
	}
	w.verified(id)
}

// 3,200 characters for a peer that takes 800: a summary and the whole text as a file.
func TestScenario14(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	text := strings.Repeat("某工地拖欠工资，", 400)
	id := w.offered(w.b, w.kase(func(c *ticket.Case) { c.Appeal.Content = text }))
	theirs := w.theirs(w.b, id)
	if n := len([]rune(theirs.Offer.Appeal.Content)); n > 800 || n < 700 || !strings.Contains(theirs.Offer.Appeal.Content, "全文") {
		t.Errorf("the peer got %d characters: …%s", n, string([]rune(theirs.Offer.Appeal.Content)[max(0, n-20):]))
	}
	files, _ := w.l.Files(t.Context(), id)
	if len(files) != 1 || files[0].Ref == "" {
		t.Fatalf("%+v", files)
	}
	whole, ok := w.b.sim.File(files[0].Ref)
	if !ok || ticket.HashOf(whole) != ticket.HashOf([]byte(text)) || ticket.HashOf(whole) != files[0].SM3 {
		t.Errorf("the whole text is not the same at both ends (%d bytes, %v)", len(whole), ok)
	}
}

// Two faults are told at once, and the draft is kept.
func TestScenario15(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.kase(func(c *ticket.Case) { c.Citizen.Phone, c.Citizen.Name, c.Citizen.Secrecy = "1861234567", "", 1 })
	o, err := w.desk.Offer(t.Context(), desk.NewOffer{Case: c, Peer: partyA, User: "agent1"})
	r := w.refused(ticket.CodeInvalid, err)
	if len(r.Faults) != 2 || r.Faults[0].Pointer != "/citizen/name" || r.Faults[1].Pointer != "/citizen/phone" {
		t.Errorf("%+v", r.Faults)
	}
	for _, f := range r.Faults {
		if strings.Contains(f.Message+f.MessageEN+f.Value, "1861234567") {
			t.Error("a fault quotes the number")
		}
	}
	w.state_(o.HandoffID, ticket.Draft)
	c.Citizen.Phone, c.Citizen.Name = "15400000017", "王某某"
	if err := w.desk.Submit(t.Context(), o.HandoffID, "agent1", c); err != nil {
		t.Fatal(err)
	}
	w.send(w.a)
	w.state_(o.HandoffID, ticket.Offered)
}

// Bytes of another charset than their label, rare characters, and bytes of none.
func TestScenario16(t *testing.T) {
	t.Parallel()
	w := newWorld(t, edit("hotline-b@1", "base: http://127.0.0.1:9450/cb/12345/B\n    body: form\n    answer: text\n    charset: gbk", "base: http://127.0.0.1:9450/cb/12345/B\n    body: form\n    answer: text\n    charset: gb18030"))
	const name = "𠮷䶮彣"
	o := w.theirOffer("20260929164002_00000001")
	o.Citizen.Name, o.Appeal.ClassCode = name, "0201"
	if p, err := w.b.sim.Offer(t.Context(), o); err != nil || p.Class != outer.OK {
		t.Fatalf("%+v %v", p, err)
	}
	if got := w.caseOf(o.PeerNo).Citizen.Name; got != name {
		t.Errorf("the name came as %q", got)
	}

	// GBK bytes under a label that says UTF-8.
	text := `<Ticket><Number>20260929164003_00000002</Number><CaseTypeID>1</CaseTypeID><CaseClass>B01</CaseClass><WantPerson>李䶮</WantPerson><WantPersonTel>15400000022</WantPersonTel><Title>咨询</Title><Village>610802</Village><WantContent>想咨询</WantContent><WantDate>2026-09-29 16:00:00</WantDate><Channel>phone</Channel><Emergency>3</Emergency><Danger>none</Danger><Procedure>none</Procedure><Secret>0</Secret><OpTime>2026-09-29 16:40:00</OpTime><DispatchTime>2026-09-29 16:40:00</DispatchTime></Ticket>`
	gbk, _ := simplifiedchinese.GB18030.NewEncoder().String(text)
	if body := w.post("/cb/12345/B/ticket", "application/x-www-form-urlencoded; charset=utf-8", signedB(text, gbk)); body != "success" {
		t.Errorf("answered %q", body)
	}
	if got := w.caseOf("20260929164003_00000002").Citizen.Name; got != "李䶮" {
		t.Errorf("the name came as %q", got)
	}

	// Neither UTF-8 nor GB18030, but rightly signed: kept for a person, whole.
	before := len(w.quarantined(partyA))
	bad := append([]byte(`{"eventId":"E-bad","type":"ticket.note","text":"`), 0xff, 0xfe, 0xff)
	bad = append(bad, `"}`...)
	answer := w.asA(http.MethodPost, "/handoffs/HO-610800-20260929-000001/events", bad)
	list := w.quarantined(partyA)
	if len(list) != before+1 || !bytes.Equal(list[len(list)-1], bad) || !strings.Contains(answer, "1400") {
		t.Errorf("%d in quarantine, answered %s", len(list), answer)
	}
	if len(w.tasks("quarantine")) == 0 {
		t.Error("nobody is told of the quarantine")
	}
}

// Times without a zone are Shanghai's; days that do not exist are refused by field.
func TestScenario17(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.offered(w.a, w.kase())
	w.says(w.a, id, "accept", accept())
	if at := w.last(id, "accept").OccurredAt; at.Format("2006-01-02 15:04 -07:00") != "2026-09-29 16:40 +08:00" {
		t.Errorf("the time was read as %s", at)
	}
	answer := w.asA(http.MethodPost, "/handoffs/"+id+"/events", []byte(`{"eventId":"E-31","round":1,"type":"ticket.note","orderNo":"x","time":"2026-09-31 16:40:00","text":"备注"}`))
	if !strings.Contains(answer, "1400") || !strings.Contains(answer, "at: ") {
		t.Errorf("31 September was answered %s", answer)
	}
	serial := w.asA(http.MethodPost, "/handoffs/"+id+"/events", []byte(`{"eventId":"E-32","round":1,"type":"ticket.note","orderNo":"x","time":"46294","text":"备注"}`))
	if !strings.Contains(serial, "1400") {
		t.Errorf("a serial number was taken for a time: %s", serial)
	}
	if n := len(w.quarantined(partyA)); n != 2 {
		t.Errorf("%d in quarantine", n)
	}
}

// Files nobody should take; the ticket goes all the same.
func TestScenario18(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	exe := append([]byte("MZ\x90\x00\x03\x00\x00\x00"), make([]byte, 600)...)
	png := append([]byte("\x89PNG\r\n\x1a\n"), make([]byte, 600)...)
	c := w.kase(func(c *ticket.Case) {
		for i, n := range []string{"空.jpg", "大.pdf", "照片.jpg", "合同.png"} {
			c.Appeal.Attachments = append(c.Appeal.Attachments, ticket.Attachment{ID: fmt.Sprintf("att%d", i), Name: n, Kind: "evidence"})
		}
	})
	o, err := w.desk.Offer(t.Context(), desk.NewOffer{Case: c, Peer: partyA, User: "agent1", Files: []desk.Content{
		{AttID: "att0", Data: nil}, {AttID: "att1", Data: append([]byte("%PDF-1.7\n"), make([]byte, 60<<20)...)}, {AttID: "att2", Data: exe}, {AttID: "att3", Data: png}}})
	if err != nil {
		t.Fatal(err)
	}
	w.send(w.a)
	w.state_(o.HandoffID, ticket.Offered)
	want := map[string]string{"att0": desk.FileEmpty, "att1": desk.FileTooBig, "att2": desk.FileType, "att3": ""}
	files, _ := w.l.Files(t.Context(), o.HandoffID)
	for _, f := range files {
		if f.Said != want[f.AttID] {
			t.Errorf("%s: %q, want %q", f.AttID, f.Said, want[f.AttID])
		}
	}
	if theirs := w.theirs(w.a, o.HandoffID); len(files) != 4 || len(theirs.Offer.Appeal.Attachments) != 1 {
		t.Errorf("%d files here, the peer got %+v", len(files), theirs.Offer.Appeal.Attachments)
	}

	// A peer's file at an address of our own network is not fetched; its ticket is there.
	in := w.theirOffer("YL12345-20260929-0900")
	for i, u := range []string{"http://127.0.0.1/x.jpg", "http://10.0.0.8/x.jpg", "http://169.254.169.254/latest/meta-data"} {
		in.Appeal.Attachments = append(in.Appeal.Attachments, ticket.Attachment{ID: fmt.Sprintf("ssrf%d", i), Name: "x.jpg", Kind: "evidence", Ref: u})
	}
	if p, err := w.a.sim.Offer(t.Context(), in); err != nil || p.Class != outer.OK {
		t.Fatalf("%+v %v", p, err)
	}
	if err := w.a.c.Files(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows, _ := w.l.Find(t.Context(), ledger.Filter{PeerNo: in.PeerNo})
	files, _ = w.l.Files(t.Context(), rows[0].ID)
	for _, f := range files {
		if f.State != ledger.FileFailed || f.Said == "" {
			t.Errorf("%s is %s %q", f.Ref, f.State, f.Said)
		}
	}
	if len(files) != 3 {
		t.Errorf("%d files", len(files))
	}
}

// Bombs and tricks are refused at once, and nothing comes of them.
func TestScenario19(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.offered(w.a, w.kase())
	before := len(w.events(id))
	deep := strings.Repeat("<a>", 1_000_000) + strings.Repeat("</a>", 1_000_000)
	began := time.Now()
	for name, text := range map[string]string{
		"DOCTYPE":  `<!DOCTYPE f [<!ENTITY x SYSTEM "file:///etc/passwd">]><Flow><Number>&x;</Number></Flow>`,
		"elements": "<Flow>" + deep + "</Flow>",
	} {
		if body := w.post("/cb/12345/B/flow", "application/x-www-form-urlencoded", signedB(text, text)); body == "success" || strings.Contains(body, "root:") {
			t.Errorf("%s was answered %.60q", name, body)
		}
	}
	for name, text := range map[string]string{
		"twice":  `{"eventId":"E1","type":"ticket.close","type":"ticket.note","text":"x"}`,
		"nested": `{"eventId":"E2","type":"ticket.note","text":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`,
	} {
		if body := w.asA(http.MethodPost, "/handoffs/"+id+"/events", []byte(text)); !strings.Contains(body, `"code"`) || strings.Contains(body, `"code":"0"`) {
			t.Errorf("%s was answered %.80s", name, body)
		}
	}
	t.Logf("refused after %s", time.Since(began))
	if len(w.events(id)) != before {
		t.Error("something came of it")
	}
}

// The same request again, an old one, and a right retry.
func TestScenario20(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.offered(w.a, w.kase())
	w.record = true
	first := w.says(w.a, id, "accept", accept())
	if first.Class != outer.OK || len(w.recorded) != 1 {
		t.Fatalf("%+v, %d recorded", first, len(w.recorded))
	}
	seq := w.get(id).StateSeq
	if status, body := w.again(w.recorded[0]); status != http.StatusUnauthorized || !strings.Contains(body, "1401") {
		t.Errorf("the replay was answered %d %s", status, body)
	}
	w.a.sim.SetFaults(simulator.Fault{Kind: simulator.ClockSkew, Value: -360})
	old := w.says(w.a, id, "progress", ticket.Payload{Text: "旧"})
	if old.Class == outer.OK || old.Class == outer.Duplicate {
		t.Errorf("a request six minutes old was answered %+v", old)
	}
	w.a.sim.SetFaults()
	if got := w.get(id).StateSeq; got != seq {
		t.Errorf("the state moved from %d to %d", seq, got)
	}
	p := ticket.Payload{Text: "已联系"}
	var answers []simulator.Pushed
	for range 2 {
		a, err := w.a.sim.Act(t.Context(), simulator.Act{Handoff: id, Verb: "progress", EventID: "E-same", Payload: &p})
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, a)
	}
	if answers[0].Class != outer.OK || answers[1] != answers[0] {
		t.Errorf("the retry was answered otherwise: %+v", answers)
	}
	n := 0
	for _, e := range w.events(id) {
		if e.Verb == "progress" && e.Payload.Text == "已联系" {
			n++
		}
	}
	if n != 1 {
		t.Errorf("the retry made %d events", n)
	}
}

// A right signature reaches nobody else's hand-offs, and learns nothing of them.
func TestScenario21(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	others := w.offered(w.b, w.kase())
	seq := w.get(others).StateSeq
	body := func(id string) string {
		return w.asA(http.MethodPost, "/handoffs/"+id+"/events", []byte(`{"eventId":"E-`+id+`","round":1,"type":"ticket.close","orderNo":"x","time":"2026-09-29 16:40:00"}`))
	}
	theirs, unknown := body(others), body("HO-610800-20260929-999999")
	if strip(theirs) != strip(unknown) || strings.Contains(theirs, `"code":"0"`) {
		t.Errorf("another party's hand-off is told from an unknown one:\n%s\n%s", theirs, unknown)
	}
	a, b := w.asA(http.MethodGet, "/handoffs/"+others, nil), w.asA(http.MethodGet, "/handoffs/HO-610800-20260929-999999", nil)
	if strip(a) != strip(b) || !strings.Contains(a, "1404") {
		t.Errorf("asked:\n%s\n%s", a, b)
	}
	if w.get(others).StateSeq != seq {
		t.Error("it was changed")
	}
	// Offering what names the other's hand-off finds nothing either.
	in := w.theirOffer("YL12345-20260929-0901")
	in.HandoffID = others
	p, err := w.a.sim.Offer(t.Context(), in)
	if err != nil || strings.Contains(p.Message, ticket.CodeLoop) || w.get(others).StateSeq != seq {
		t.Errorf("%+v %v", p, err)
	}
}

// The peer claims CLOSED while we hold OFFERED, and then says that it accepted.
func TestScenario22(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.offered(w.a, w.kase())
	w.says(w.a, id, "close", ticket.Payload{Text: "已办结"})
	w.state_(id, ticket.Closed)
	if len(w.tasks("inferred")) != 1 {
		t.Error("the desk is not warned")
	}
	f := w.figure(id, 1, "C2")
	if ok, _ := f.OnTime(); ok || !f.Inferred {
		t.Errorf("the sign-in counts as in time: %+v", f)
	}
	w.says(w.a, id, "accept", accept())
	w.state_(id, ticket.Closed)
	if e := w.last(id, "accept"); !e.Late || e.From != e.To {
		t.Errorf("%+v", e)
	}
	w.verified(id)
}

// ---- speaking as the peers do

func (w *world) caseOf(number string) ticket.Case {
	w.Helper()
	rows, err := w.l.Find(w.Context(), ledger.Filter{PeerNo: number})
	if err != nil || len(rows) != 1 {
		w.Fatalf("%d hand-offs have the number %s (%v)", len(rows), number, err)
	}
	c, err := w.l.Case(w.Context(), rows[0].CaseID)
	if err != nil {
		w.Fatal(err)
	}
	return c
}

func (w *world) quarantined(party string) [][]byte {
	w.Helper()
	list, err := w.l.Quarantined(w.Context(), party)
	if err != nil {
		w.Fatal(err)
	}
	return list
}

func (w *world) post(path, contentType, body string) string {
	w.Helper()
	resp, err := http.Post(w.node.URL+path, contentType, strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return string(b)
}

// signedB is a form as B sends it: the text is signed, its bytes are in B's charset.
func signedB(text, data string) string {
	sum := md5.Sum([]byte(text + "secret of hotline-b-callback.key"))
	return url.Values{"data": {data}, "sign": {strings.ToUpper(hex.EncodeToString(sum[:]))}}.Encode()
}

// asA sends a body signed as A signs.
func (w *world) asA(method, path string, body []byte) string {
	w.Helper()
	return w.askedA(method, "/cb/12345/A"+path, body)
}

// moved is a profile that talks to a side that runs already.
func (w *world) moved(s *side, p *profile.Profile) *profile.Profile {
	w.Helper()
	q, err := p.At(s.tap, w.node.URL)
	if err != nil {
		w.Fatal(err)
	}
	return q
}

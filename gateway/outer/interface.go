package outer

import (
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"fayi/gateway/strictyaml"
)

// Interface is a foreign HTTP interface, as it is written in YAML.
type Interface struct {
	Transport  Transport            `yaml:"transport"`
	Auth       Auth                 `yaml:"auth"`
	Response   Response             `yaml:"response"`
	Operations map[string]Operation `yaml:"operations"`
}

// Transport says how messages travel.
type Transport struct {
	Base    string   `yaml:"base"`    // http(s)://host[:port][/path]: the only place dialled
	Body    string   `yaml:"body"`    // of requests: json (default), xml, soap, form, multipart, text
	Answer  string   `yaml:"answer"`  // of answers: json (default), xml, soap, text; readers go by what they see
	Charset string   `yaml:"charset"` // utf-8 (default), gbk, gb18030
	HTTP    HTTP     `yaml:"http"`
	Timeout Timeout  `yaml:"timeout"`
	Limit   Limit    `yaml:"limit"`
	Times   Times    `yaml:"times"`
	Empty   string   `yaml:"empty"`   // values that are not there: omit (default) or keep as empty texts
	Headers RawForm  `yaml:"headers"` // of every request
	Allow   []string `yaml:"allow"`   // networks: for a client, where the base may be; for a server, who may come
}

// RawForm is a template as written.
type RawForm = strictyaml.Tree

// HTTP holds what old servers need.
type HTTP struct {
	Version string `yaml:"version"` // "1.1" (default) or "1.0". Requests always have a Content-Length and are never chunked
}

// Timeout bounds one request. Defaults: 3s, 15s.
type Timeout struct {
	Connect time.Duration `yaml:"connect"`
	Total   time.Duration `yaml:"total"`
}

// Limit bounds messages in KiB. Default 1024 each.
type Limit struct {
	Request int `yaml:"request"`
	Answer  int `yaml:"answer"`
}

// Times says how moments are written.
type Times struct {
	Layout string `yaml:"layout"` // as package time writes it; default "2006-01-02 15:04:05"
	Zone   string `yaml:"zone"`   // default +08:00, all of China's; or another offset
}

// Response says what answers mean. Rules are tried in order; the first that
// holds decides, and where none does a refusal is permanent.
type Response struct {
	Success  Cond   `yaml:"success"`
	Classify []Rule `yaml:"classify"`
	Code     string `yaml:"code"`    // path of the peer's code
	Message  string `yaml:"message"` // path of its words; never logged, since they may quote the ticket
	Retry    string `yaml:"retry"`   // path of seconds to wait
}

// Rule gives answers of a kind a class.
type Rule struct {
	When    Cond   `yaml:"when"`
	As      Class  `yaml:"as"`
	Default Class  `yaml:"default"` // without when: for all the rest
	Name    string `yaml:"name"`    // for people; default: the rule's place
}

// Cond holds if all of its parts do. An empty one never holds.
type Cond struct {
	Path     string   `yaml:"path"`
	In       []string `yaml:"in"`       // the text at path is one of these
	Contains []string `yaml:"contains"` // it contains one of these
	Matches  string   `yaml:"matches"`  // it matches this RE2 expression
	HTTP     []int    `yaml:"http"`     // the status is one of these
	HTML     bool     `yaml:"html"`     // a web page came instead of an answer
}

// Operation is one thing that can be asked.
type Operation struct {
	Method     string            `yaml:"method"` // default POST
	Path       string            `yaml:"path"`   // template, below the base
	Query      RawForm           `yaml:"query"`
	Headers    RawForm           `yaml:"headers"`
	SOAPAction string            `yaml:"soapAction"`
	Body       string            `yaml:"body"`    // default: the transport's; none for GET
	AnswerBody string            `yaml:"asText"`  // default: the transport's answer
	Request    RawForm           `yaml:"request"` // template of the body
	Answer     map[string]string `yaml:"answer"`  // value → path in the answer, filters after "|"; a key such as "{a}#{b}" takes a text apart
	List       *ListForm         `yaml:"list"`    // items in the answer
	Repeatable bool              `yaml:"repeatable"`
	Response   *Response         `yaml:"response"` // default: the interface's
	Public     bool              `yaml:"public"`   // needs no signature and no session, such as a login
	Element    string            `yaml:"element"`  // SOAP: name of the answer's element, for who serves it
}

// ListForm says where items stand and what they look like.
type ListForm struct {
	Path string  `yaml:"path"` // ends in [*]
	Item RawForm `yaml:"item"`
}

// Compiled is an Interface ready for use.
type Compiled struct {
	base       *url.URL
	transport  Transport
	form       Form
	headers    *Template
	auth       auth
	operations map[string]*operation
	allow      []netip.Prefix
}

type operation struct {
	name, method string
	path         *textTmpl
	query        *Template
	headers      *Template
	request      *Template
	body, answer string
	action       string
	values       []answerValue
	list         *Path
	item         *Template
	response     response
	repeatable   bool
	public       bool
	element      string
}

type answerValue struct {
	name string // "" where text is set
	path Path
	part textPart
	text *textTmpl
}

type response struct {
	success             cond
	rules               []rule
	code, message, wait Path
}

type rule struct {
	cond
	class Class
	name  string
}

type cond struct {
	Cond
	path Path
	re   *regexp.Regexp
}

// Bodies a message can have.
var bodies = []string{"json", "xml", "soap", "form", "multipart", "text", "none"}

// Compile checks an interface that was read at path of d and makes it ready.
// Faults go to d; codes translates in templates, nil where they name no table.
func Compile(d *strictyaml.Document, path string, i *Interface, codes Codes) *Compiled {
	c := compiler{d}
	out := &Compiled{transport: i.Transport, operations: map[string]*operation{}}
	t := &out.transport
	def := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	def(&t.Body, "json")
	def(&t.Answer, "json")
	def(&t.Charset, UTF8)
	def(&t.HTTP.Version, "1.1")
	def(&t.Empty, "omit")
	def(&t.Times.Layout, time.DateTime)
	def(&t.Times.Zone, "+08:00")
	if t.Timeout.Connect == 0 {
		t.Timeout.Connect = 3 * time.Second
	}
	if t.Timeout.Total == 0 {
		t.Timeout.Total = 15 * time.Second
	}
	if t.Limit.Request == 0 {
		t.Limit.Request = 1024
	}
	if t.Limit.Answer == 0 {
		t.Limit.Answer = 1024
	}
	c.transport(path+".transport", t, out)
	out.form = Form{Codes: codes, Layout: t.Times.Layout, Zone: c.zone(path+".transport.times.zone", t.Times.Zone), KeepEmpty: t.Empty == "keep", Charset: t.Charset}
	out.headers = c.template(path+".transport.headers", &t.Headers)
	out.auth = c.auth(path+".auth", i.Auth, i.Operations)
	out.allow = append(out.allow, c.prefixes(path+".transport.allow", t.Allow)...)
	if out.auth.weak && len(out.allow) == 0 && !out.Folder() {
		d.Fault(path+".auth.kind", "这种认证不足以保护数据，必须在 transport.allow 中列出允许的地址段", "this kind protects little; transport.allow must list the networks it is used in")
	}
	common := c.response(path+".response", &i.Response)
	for _, name := range slices.Sorted(maps.Keys(i.Operations)) {
		op := i.Operations[name]
		out.operations[name] = c.operation(path+".operations."+name, name, &op, t, common)
		if o := out.operations[name]; out.Folder() && (len(o.path.parts) != 1 || o.path.parts[0].name != "") {
			d.Fault(path+".operations."+name+".path", "用文件交换时应为固定的子目录，如 /event", "must be a fixed folder such as /event where files are exchanged")
		}
	}
	return out
}

type compiler struct{ d *strictyaml.Document }

func (c compiler) oneOf(path, v string, list []string) {
	if !slices.Contains(list, v) {
		c.d.Fault(path, "应为 "+strings.Join(list, "、")+" 之一", "must be one of "+strings.Join(list, ", "))
	}
}

func (c compiler) transport(path string, t *Transport, out *Compiled) {
	if t.Base != "" {
		u, err := url.Parse(t.Base)
		file := err == nil && u.Scheme == "file" && u.Host == "" && strings.HasPrefix(u.Path, "/")
		if err != nil || !file && (u.Scheme != "http" && u.Scheme != "https" || u.Host == "") || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			c.d.Fault(path+".base", "应写作 http://主机:端口/路径，不带口令和参数；用文件交换时写 file:///目录", "must be http://host:port/path, without password or query, or file:///folder")
		} else {
			u.Path = strings.TrimSuffix(u.Path, "/")
			out.base = u
		}
	}
	c.oneOf(path+".body", t.Body, bodies)
	c.oneOf(path+".answer", t.Answer, []string{"json", "xml", "soap", "text"})
	c.oneOf(path+".charset", t.Charset, []string{UTF8, GBK, GB18030})
	c.oneOf(path+".http.version", t.HTTP.Version, []string{"1.0", "1.1"})
	c.oneOf(path+".empty", t.Empty, []string{"omit", "keep"})
	for _, l := range []struct {
		path string
		n    int
	}{{path + ".limit.request", t.Limit.Request}, {path + ".limit.answer", t.Limit.Answer}} {
		if l.n < 1 || l.n > 64<<10 {
			c.d.Fault(l.path, "应在 1 到 65536（KiB）之间", "must be 1 to 65536 (KiB)")
		}
	}
}

func (c compiler) zone(path, s string) *time.Location {
	t, err := time.Parse("-07:00", s)
	if err != nil {
		c.d.Fault(path, "应写作 +08:00", "must be such as +08:00")
		return time.UTC
	}
	_, offset := t.Zone()
	return time.FixedZone(s, offset)
}

func (c compiler) prefixes(path string, list []string) []netip.Prefix {
	var out []netip.Prefix
	for i, s := range list {
		p, err := netip.ParsePrefix(s)
		if a, aerr := netip.ParseAddr(s); err != nil && aerr == nil {
			p, err = a.Prefix(a.BitLen())
		}
		if err != nil {
			c.d.Fault(fmt.Sprintf("%s[%d]", path, i), "应为地址或地址段，如 10.1.0.0/16", "must be an address or a network such as 10.1.0.0/16")
			continue
		}
		out = append(out, p.Masked())
	}
	return out
}

func (c compiler) template(path string, raw *RawForm) *Template {
	if raw.Kind == strictyaml.Absent {
		return nil
	}
	return compileTemplate(c.d, path, raw)
}

func (c compiler) path(at, s string) Path {
	if s == "" {
		return Path{}
	}
	p, err := ParsePath(s)
	if err != nil {
		c.d.Fault(at, "路径应写作 $.data.orderNo，文本里的文档用 !json 或 !xml 打开", "a path is such as $.data.orderNo; !json or !xml opens a document inside a text")
	}
	return p
}

func (c compiler) text(at, s string) *textTmpl {
	t, err := parseText(s)
	if err != nil {
		c.d.Fault(at, "模板有误："+err.Error(), "bad template: "+err.Error())
		return &textTmpl{}
	}
	return t
}

func (c compiler) response(path string, r *Response) response {
	out := response{
		success: c.cond(path+".success", &r.Success), code: c.path(path+".code", r.Code),
		message: c.path(path+".message", r.Message), wait: c.path(path+".retry", r.Retry),
	}
	for i := range r.Classify {
		ru := &r.Classify[i]
		at := fmt.Sprintf("%s.classify[%d]", path, i)
		o := rule{cond: c.cond(at+".when", &ru.When), class: ru.As, name: ru.Name}
		if o.name == "" {
			o.name = fmt.Sprintf("classify[%d]", i)
		}
		if ru.Default != "" {
			o.class = ru.Default
			if i != len(r.Classify)-1 || !o.none() || ru.As != "" {
				c.d.Fault(at, "default 应单独写在最后一条", "default stands alone, in the last rule")
			}
		} else if o.none() {
			c.d.Fault(at+".when", "没有写条件", "has no condition")
		}
		if !slices.Contains(Classes, o.class) || o.class == OK {
			c.d.Fault(at, "as 应为 "+classNames()+" 之一", "as must be one of "+classNames())
		}
		out.rules = append(out.rules, o)
	}
	return out
}

func (c compiler) cond(path string, k *Cond) cond {
	out := cond{Cond: *k, path: c.path(path+".path", k.Path)}
	if k.Matches != "" {
		re, err := regexp.Compile(k.Matches)
		if err != nil || len(k.Matches) > 500 {
			c.d.Fault(path+".matches", "不是有效的正则表达式（RE2，最多 500 字节）", "is no RE2 expression of at most 500 bytes")
		}
		out.re = re
	}
	if tests := len(k.In) + len(k.Contains) + len(k.Matches); tests > 0 && k.Path == "" {
		c.d.Fault(path, "in、contains、matches 要与 path 一起写", "in, contains and matches need a path")
	} else if tests == 0 && k.Path != "" {
		c.d.Fault(path, "有 path 而没有写 in、contains 或 matches", "has a path but none of in, contains, matches")
	}
	return out
}

// none reports that nothing was written.
func (k *cond) none() bool { return k.Path == "" && len(k.HTTP) == 0 && !k.HTML }

var tokenForm = regexp.MustCompile(`^[A-Z]{3,10}$`)

func (c compiler) operation(path, name string, op *Operation, t *Transport, common response) *operation {
	o := &operation{name: name, method: op.Method, body: op.Body, answer: op.AnswerBody, action: op.SOAPAction, response: common, repeatable: op.Repeatable, public: op.Public, element: op.Element}
	if o.method == "" {
		o.method = "POST"
	}
	if !tokenForm.MatchString(o.method) {
		c.d.Fault(path+".method", "应为大写的 HTTP 方法，如 POST", "must be an HTTP method such as POST")
	}
	if o.body == "" {
		if o.body = t.Body; op.Request.Kind == strictyaml.Absent {
			o.body = "none"
		}
	}
	c.oneOf(path+".body", o.body, bodies)
	if o.answer == "" {
		o.answer = t.Answer
	}
	c.oneOf(path+".asText", o.answer, []string{"json", "xml", "soap", "text"})
	if !strings.HasPrefix(op.Path, "/") && op.Path != "" || strings.ContainsAny(op.Path, "?#") {
		c.d.Fault(path+".path", "应以 / 开头，参数写在 query 中", "must begin with /; parameters belong in query")
	}
	o.path = c.text(path+".path", op.Path)
	o.query = c.template(path+".query", &op.Query)
	o.headers = c.template(path+".headers", &op.Headers)
	o.request = c.template(path+".request", &op.Request)
	for _, v := range slices.Sorted(maps.Keys(op.Answer)) {
		at := path + ".answer." + v
		p, filters, _ := strings.Cut(op.Answer[v], "|")
		if strings.Contains(v, "{") {
			o.values = append(o.values, answerValue{path: c.path(at, p), text: c.text(at, v)})
			continue
		}
		part := textPart{name: v}
		if filters != "" {
			if tt := c.text(at, "{v|"+filters+"}"); len(tt.parts) == 1 {
				part.filters = tt.parts[0].filters
			}
		}
		o.values = append(o.values, answerValue{name: v, path: c.path(at, p), part: part})
	}
	if op.List != nil {
		p := c.path(path+".list.path", op.List.Path)
		if !p.zero() && !p.all {
			c.d.Fault(path+".list.path", "应以 [*] 结尾", "must end in [*]")
		}
		o.list, o.item = &p, c.template(path+".list.item", &op.List.Item)
	}
	if op.Response != nil {
		o.response = c.response(path+".response", op.Response)
	}
	if o.response.success.none() {
		c.d.Fault(path, "没有写成功的判断条件（response.success）", "has no test of success (response.success)")
	}
	return o
}

func (c *Compiled) sortedOperations() []string { return slices.Sorted(maps.Keys(c.operations)) }

// Weak reports that the interface's authentication is fit for listed addresses
// only.
func (c *Compiled) Weak() bool { return c.auth.weak }

// Has reports whether there is an operation of this name.
func (c *Compiled) Has(op string) bool { return c.operations[op] != nil }

// Uses lists the values a request of the operation is made of.
func (c *Compiled) Uses(op string) []string {
	o := c.operations[op]
	if o == nil {
		return nil
	}
	var out []string
	for _, t := range []*Template{{text: o.path}, o.query, o.headers, o.request} {
		if t != nil {
			out = append(out, t.Names()...)
		}
	}
	return out
}

// Yields lists the values an answer of the operation, or an item of its list,
// may have.
func (c *Compiled) Yields(op string) (values, item []string) {
	o := c.operations[op]
	if o == nil {
		return nil, nil
	}
	for _, v := range o.values {
		if v.text != nil {
			values = append(values, (&Template{text: v.text}).Names()...)
			continue
		}
		values = append(values, v.name)
	}
	if o.item != nil {
		item = o.item.Names()
	}
	return values, item
}

// Tables lists the code tables that templates name.
func (c *Compiled) Tables() []string {
	seen := map[string]bool{}
	note := func(_ string, filters []string) {
		for _, f := range filters {
			if t, ok := strings.CutPrefix(f, "map:"); ok {
				seen[t] = true
			}
		}
	}
	for _, o := range c.operations {
		for _, t := range []*Template{{text: o.path}, o.query, o.headers, o.request, o.item} {
			t.walk("", note)
		}
		for _, v := range o.values {
			note("", v.part.filters)
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// Echo writes a request of the operation with these values and reads it as a
// server would, without signing. It is the self-test of a description.
func (c *Compiled) Echo(op string, values *Node) (*Node, error) {
	o := c.operations[op]
	if o == nil {
		return nil, fmt.Errorf("outer: no operation %q", op)
	}
	v := &Node{Kind: Object, Members: append([]*Node(nil), values.Members...)}
	m, _, err := c.fill(o, v)
	if err != nil {
		return nil, err
	}
	back := NewObject()
	if err := o.path.read(Text(m.path), back, &c.form); err != nil {
		return nil, err
	}
	for _, t := range []*Template{c.headers, o.headers} {
		if t == nil {
			continue
		}
		h := NewObject()
		for k := range m.header {
			h.Set(k, Text(m.header.Get(k)))
		}
		if err := t.canonical(true).Read(h, back, &c.form); err != nil {
			return nil, err
		}
	}
	if o.query != nil {
		q := NewObject()
		for k := range m.query {
			q.Members = append(q.Members, &Node{Kind: String, Name: k, Text: m.query.Get(k)})
		}
		if err := o.query.Read(q, back, &c.form); err != nil {
			return nil, err
		}
	}
	if o.request == nil {
		return back, nil
	}
	doc, err := read(m.body, o.body, m.header.Get("Content-Type"), c.transport.Charset)
	if err != nil {
		return nil, err
	}
	return back, o.request.Read(doc, back, &c.form)
}

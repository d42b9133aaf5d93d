package schemas

// conditionCompiler compiles what a schema says about one object as a whole, noting on its members' rules which tests are needed.
type conditionCompiler struct {
	c      *tableCompiler
	object *objectRule
	names  []string
	marks  int // used so far
}

// condition compiles a schema for an object whose members have their rules already. Members it names must be among them: then a test only
// ever meets values of the one kind it was made for.
func (b *conditionCompiler) condition(v any) (condition, error) {
	var cond condition
	s, err := b.c.resolve(v)
	if err != nil {
		return cond, err
	}
	if err := only(s, append([]string{"type", "required", "properties"}, conditionKeywords...)...); err != nil {
		return cond, err
	}
	if typ, ok := s["type"]; ok && typ != "object" {
		return cond, shape("type %v of an object", typ)
	}
	if required, ok := s["required"].([]any); ok {
		for _, v := range required {
			name, _ := v.(string)
			place := b.object.names.find([]byte(name))
			if place < 0 {
				return cond, shape("%q is required but unknown", name)
			}
			cond.required.add(place)
		}
	}
	properties, _ := s["properties"].(map[string]any)
	for _, name := range b.names { // in one order, so that a table is the same every time
		if test, ok := properties[name]; ok {
			if err := b.member(&cond, name, test); err != nil {
				return cond, err
			}
		}
	}
	for name := range properties {
		if b.object.names.find([]byte(name)) < 0 {
			return cond, shape("%q has a condition but no rule", name)
		}
	}
	if cond.all, err = b.list(s["allOf"]); err != nil {
		return cond, err
	}
	if v, ok := s["anyOf"]; ok {
		list, err := b.list(v)
		if err != nil {
			return cond, err
		}
		cond.any = append(cond.any, list)
	}
	if v, ok := s["oneOf"]; ok {
		list, err := b.list(v)
		if err != nil {
			return cond, err
		}
		cond.one = append(cond.one, list)
	}
	if v, ok := s["not"]; ok {
		not, err := b.condition(v)
		if err != nil {
			return cond, err
		}
		cond.not = []condition{not}
	}
	return cond, b.implication(&cond, s)
}

// implication compiles if with then and else, which without if say nothing.
func (b *conditionCompiler) implication(cond *condition, s map[string]any) error {
	v, ok := s["if"]
	if !ok {
		return nil
	}
	var w implication
	var err error
	if w.condition, err = b.condition(v); err != nil {
		return err
	}
	if v, ok := s["then"]; ok {
		if w.then, err = b.condition(v); err != nil {
			return err
		}
	}
	if v, ok := s["else"]; ok {
		if w.otherwise, err = b.condition(v); err != nil {
			return err
		}
	}
	cond.when = append(cond.when, w)
	return nil
}

func (b *conditionCompiler) list(v any) ([]condition, error) {
	schemas, _ := v.([]any)
	var list []condition
	for _, s := range schemas {
		cond, err := b.condition(s)
		if err != nil {
			return nil, err
		}
		list = append(list, cond)
	}
	return list, nil
}

// member compiles a test of one member: a mark on its rule, or for contains on the rule of its elements.
func (b *conditionCompiler) member(cond *condition, name string, v any) error {
	s, err := b.c.resolve(v)
	if err != nil {
		return err
	}
	place := b.object.names.find([]byte(name))
	on := &b.c.t.rules[b.object.first+place]
	if on.kind == arrayKind {
		if err := only(s, "type", "contains"); err != nil {
			return err
		}
		contains, ok := s["contains"]
		if typ, there := s["type"]; !ok || (there && typ != "array") {
			return shape("a condition on array %q without contains", name)
		}
		if s, err = b.c.resolve(contains); err != nil {
			return err
		}
		on = &b.c.t.rules[on.below]
	}
	switch on.kind {
	case textKind, integerKind, booleanKind:
	default:
		return shape("a condition on %q, which is no text, integer or boolean", name)
	}
	test, err := scalarRule(on.kind, s)
	if err != nil {
		return err
	}
	if b.marks == maxMarks {
		return shape("more than %d tests of one object's members", maxMarks)
	}
	bit := uint64(1) << b.marks
	b.marks++
	on.marks = append(on.marks, mark{bit, test})
	on.content = on.content || on.kind == textKind
	cond.passed = append(cond.passed, memberMark{place, bit})
	return nil
}

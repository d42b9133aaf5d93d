package sfxml

import "testing"

func TestXSDPattern(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`^[0-9]{6}$`:             `([0-9]){6}`,
		`^\d{2,}-?[\w.^-]+$`:     `([0-9]){2,}(\-)?([\--\.0-9A-Z\^-_a-z])+`,
		`^(?:甲|乙丙)\.\[\]$`:       `(甲|乙丙)\.\[\]`,
		`^(a|b){0,3}$`:           `(([a-b])){0,3}`,
		`^[^a]$`:                 "[\\t-\\n\\r -`b-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff\ufffd]",
		"^a\t\\n$":               `a\t\n`,
		"^\x01$":                 "",
		`^(?i)a$`:                "",
		`^[0-9a-f]{64}$`:         `([0-9a-f]){64}`,
		`^[A-Za-z0-9+/]+={0,2}$`: `([\+/-9A-Za-z])+(=){0,2}`,
		`^[\x{4e00}-\x{9fa5}]*$`: `([一-龥])*`,
	} {
		got, ok := xsdPattern(in)
		if ok != (want != "") || ok && got != want {
			t.Errorf("%s: %s %v, want %s", in, got, ok, want)
		}
	}
}

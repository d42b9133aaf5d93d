package strictyaml

import (
	"fmt"
	"strings"
)

// Fault is one defect of the file.
type Fault struct {
	Path      string `json:"path"`       // such as peers[0].url; "" for the file as a whole
	Line      int    `json:"line"`       // from 1; 0 where the key is absent
	Message   string `json:"message"`    // what is wrong and what to write, in Chinese
	MessageEN string `json:"message_en"` // the same in English
}

// Error lists every fault of one file, in the order of its lines.
type Error struct {
	File   string
	Faults []Fault
}

// Error gives the Chinese sentences, one a line.
func (e *Error) Error() string { return e.Text(false) }

// Text gives all faults, one a line, in Chinese or in English.
func (e *Error) Text(english bool) string {
	lines := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		lines[i] = f.text(english)
	}
	return strings.Join(lines, "\n")
}

func (f Fault) text(english bool) string {
	line, colon, message := fmt.Sprintf("第 %d 行 ", f.Line), "：", f.Message
	if english {
		line, colon, message = fmt.Sprintf("line %d ", f.Line), ": ", f.MessageEN
	}
	if f.Line == 0 {
		line = ""
	}
	where := strings.TrimSuffix(line+f.Path, " ")
	if where == "" {
		return message
	}
	return where + colon + message
}

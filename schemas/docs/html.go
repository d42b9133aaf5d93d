package packdoc

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
)

//go:embed page
var pageFiles embed.FS

// pages are the HTML templates; html/template escapes whatever a pack says for the place where it stands.
var pages = template.Must(template.New("").Funcs(template.FuncMap{"style": style, "legends": func() []legend { return legends }}).ParseFS(pageFiles, "page/*.html"))

// style is the sheet every page carries.
func style() (template.CSS, error) {
	data, err := pageFiles.ReadFile("page/style.css")
	return template.CSS(data), err
}

func renderHTML(name string, data any) ([]byte, error) {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, data); err != nil {
		return nil, fmt.Errorf("packdoc: page %s: %w", name, err)
	}
	return b.Bytes(), nil
}

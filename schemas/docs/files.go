package packdoc

import (
	"fmt"
	"iter"
)

// File is one file of the documentation.
type File struct {
	Path string // below the folder, with slashes
	Data []byte
}

// Files renders the book: index and code tables first, then up to four files a type, in the order of the types. It stops at the first error.
func (b *Book) Files() iter.Seq2[File, error] {
	type job struct {
		path   string
		render func() ([]byte, error)
	}
	done := func(data []byte) func() ([]byte, error) { return func() ([]byte, error) { return data, nil } }
	jobs := []job{
		{"index.html", func() ([]byte, error) { return renderHTML("index", b) }},
		{"index.md", done(b.indexMarkdown())},
		{"codes.html", func() ([]byte, error) { return renderHTML("codes", b) }},
		{"codes.md", done(b.codesMarkdown())},
	}
	for _, p := range b.Types {
		jobs = append(jobs,
			job{"types/" + p.Name + ".html", func() ([]byte, error) { return renderHTML("type", p) }},
			job{"types/" + p.Name + ".md", func() ([]byte, error) { return p.markdown(), nil }})
		if p.System { // nobody fills these in
			continue
		}
		jobs = append(jobs,
			job{"templates/" + p.Name + ".csv", p.csvForm},
			job{"templates/" + p.Name + ".xlsx", p.form})
	}
	return func(yield func(File, error) bool) {
		for _, j := range jobs {
			data, err := j.render()
			if err != nil {
				yield(File{}, fmt.Errorf("packdoc: %s: %w", j.path, err))
				return
			}
			if !yield(File{j.path, data}, nil) {
				return
			}
		}
	}
}

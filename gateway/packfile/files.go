package packfile

import (
	"bytes"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// files is a pack's folder in memory, one level deep, as [fs.FS].
type files map[string][]byte

// Open opens a file; folders are listed by ReadDir alone.
func (m files) Open(name string) (fs.File, error) {
	b, ok := m[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &file{info{path.Base(name), len(b)}, bytes.NewReader(b)}, nil
}

// ReadDir lists the files of a folder by name.
func (m files) ReadDir(dir string) ([]fs.DirEntry, error) {
	var list []fs.DirEntry
	for name, b := range m {
		if path.Dir(name) == dir {
			list = append(list, fs.FileInfoToDirEntry(info{path.Base(name), len(b)}))
		}
	}
	if list == nil {
		return nil, &fs.PathError{Op: "readdir", Path: dir, Err: fs.ErrNotExist}
	}
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return list, nil
}

type file struct {
	info
	io.Reader
}

func (f *file) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *file) Close() error               { return nil }

// info describes a file of which only name and size are known.
type info struct {
	name string
	size int
}

func (i info) Name() string     { return i.name }
func (i info) Size() int64      { return int64(i.size) }
func (info) Mode() fs.FileMode  { return 0o444 }
func (info) ModTime() time.Time { return time.Time{} }
func (info) IsDir() bool        { return false }
func (info) Sys() any           { return nil }

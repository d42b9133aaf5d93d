package outer

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emmansun/gmsm/sm3"
)

// An interface whose base is file:///folder is spoken by files: a request is a file
// in the folder of its operation's path, written whole or not at all; the other side
// takes it from there. Both ends of an air gap (网闸) look like that.

// Texts that stand for the answer of a folder, for the test of success.
const (
	folderWritten = "written"
	folderPresent = "present" // a file of this key or content was written before
)

// Folders below that of an operation.
const (
	folderTaking = "taking"
	folderDone   = "done"
)

// folder writes requests as files. It is a round tripper like any other.
type folder struct{ now func() time.Time }

func (f folder) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		defer r.Body.Close()
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	dir := filepath.FromSlash(r.URL.Path)
	id := r.Header.Get("X-Idempotency-Key")
	if id == "" {
		id = string(body)
	}
	h := sm3.Sum([]byte(id))
	suffix := "-" + hex.EncodeToString(h[:12]) + extension(r.Header.Get("Content-Type"))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	answer := folderWritten
	if seen, err := written(dir, suffix); err != nil {
		return nil, err
	} else if seen {
		answer = folderPresent
	} else {
		wrote(r)
		if err := writeWhole(filepath.Join(dir, f.now().UTC().Format("20060102T150405.000000000")+suffix), body); err != nil {
			return nil, err
		}
	}
	return &http.Response{Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"text/plain"}}, Body: io.NopCloser(strings.NewReader(answer)), ContentLength: int64(len(answer))}, nil
}

func extension(contentType string) string {
	switch {
	case strings.Contains(contentType, "json"):
		return ".json"
	case strings.Contains(contentType, "xml"):
		return ".xml"
	}
	return ".txt"
}

// written looks for a file of a suffix, waiting or taken.
func written(dir, suffix string) (bool, error) {
	found := false
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(d.Name(), suffix) {
			found = true
			return fs.SkipAll
		}
		return err
	})
	return found, err
}

func writeWhole(name string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".part-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// Dropped is a file that was taken from a folder.
type Dropped struct {
	Operation, Name string
	Values          *Node
	Err             error  // why it could not be read; Raw is then what it holds
	Raw             []byte // at most 1 MiB
}

// Folder reports that the interface is spoken by files.
func (c *Compiled) Folder() bool { return c.base != nil && c.base.Scheme == "file" }

// Take takes waiting files, at most max, oldest name first. cursor is what the Take
// before gave ("" at first), handed back once what it brought is kept for good:
// then those files are done with. With an earlier cursor the same files come again.
func (c *Compiled) Take(keys *Keys, cursor string, max int) ([]Dropped, string, error) {
	last, err := strconv.ParseUint("0"+cursor, 10, 63)
	if err != nil {
		return nil, cursor, fmt.Errorf("outer: cursor %.20q", cursor)
	}
	next := strconv.FormatUint(last+1, 10)
	var out []Dropped
	for _, name := range c.sortedOperations() {
		o := c.operations[name]
		dir := filepath.FromSlash(c.fullPath(o.pathText()))
		if err := finish(dir, last); err != nil {
			return nil, cursor, err
		}
		files, err := take(dir, next, max-len(out))
		if err != nil {
			return nil, cursor, err
		}
		for _, f := range files {
			out = append(out, c.readFile(o, keys, f))
		}
	}
	slices.SortStableFunc(out, func(a, b Dropped) int { return strings.Compare(a.Name, b.Name) })
	if len(out) == 0 {
		next = cursor
	}
	return out, next, nil
}

// pathText is the path of an operation without values in it.
func (o *operation) pathText() string {
	if len(o.path.parts) == 1 {
		return o.path.parts[0].lit
	}
	return ""
}

// finish moves the files of takes up to last out of the way.
func finish(dir string, last uint64) error {
	takes, err := os.ReadDir(filepath.Join(dir, folderTaking))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, t := range takes {
		n, err := strconv.ParseUint(t.Name(), 10, 63)
		if err != nil || n > last {
			continue
		}
		from := filepath.Join(dir, folderTaking, t.Name())
		files, err := os.ReadDir(from)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Join(dir, folderDone), 0o700); err != nil {
			return err
		}
		for _, f := range files {
			if err := os.Rename(filepath.Join(from, f.Name()), filepath.Join(dir, folderDone, f.Name())); err != nil {
				return err
			}
		}
		if err := os.Remove(from); err != nil {
			return err
		}
	}
	return nil
}

// take gives the files of a take: those it has from before, or waiting ones.
// Hidden files and those ending in .part or .tmp are still being written.
func take(dir, number string, max int) ([]string, error) {
	into := filepath.Join(dir, folderTaking, number)
	had, err := os.ReadDir(into)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var names []string
	for _, f := range had {
		names = append(names, filepath.Join(into, f.Name()))
	}
	if len(names) > 0 {
		return names, nil
	}
	waiting, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, f := range waiting {
		n := f.Name()
		if !f.Type().IsRegular() || strings.HasPrefix(n, ".") || strings.HasSuffix(n, ".part") || strings.HasSuffix(n, ".tmp") || len(names) >= max {
			continue
		}
		if err := os.MkdirAll(into, 0o700); err != nil {
			return nil, err
		}
		to := filepath.Join(into, n)
		if err := os.Rename(filepath.Join(dir, n), to); err != nil {
			return nil, err
		}
		names = append(names, to)
	}
	return names, nil
}

// readFile reads one file as a request of the operation.
func (c *Compiled) readFile(o *operation, keys *Keys, name string) Dropped {
	d := Dropped{Operation: o.name, Name: filepath.Base(name)}
	f, err := os.Open(name)
	if err != nil {
		d.Err = err
		return d
	}
	defer f.Close()
	limit := int64(c.transport.Limit.Request) << 10
	body, err := io.ReadAll(io.LimitReader(f, limit+1))
	d.Raw = body[:min(len(body), 1<<20)]
	if err == nil && int64(len(body)) > limit {
		err = fmt.Errorf("outer: file over %d KiB", c.transport.Limit.Request)
	}
	var doc *Node
	if err == nil {
		doc, err = read(body, o.body, "", c.transport.Charset)
	}
	if err != nil {
		d.Err = err
		return d
	}
	d.Values = NewObject()
	if c.auth.signs() { // over what is in the file: there are no headers
		id := NewObject()
		if d.Err = o.request.readAuth(doc, id, &c.form); d.Err != nil {
			return d
		}
		in := &signed{body: body, doc: top(doc, o.body), timestamp: id.Get("auth.timestamp").Value(), nonce: id.Get("auth.nonce").Value()}
		if !c.auth.verify(in, keys, id.Get("auth.sign").Value()) {
			d.Err = ErrSignature
			return d
		}
	}
	if o.request != nil {
		d.Err = o.request.Read(doc, d.Values, &c.form)
	}
	return d
}

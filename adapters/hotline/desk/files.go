package desk

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"

	"fayi/adapters/hotline/ledger"
	"fayi/adapters/hotline/ticket"
)

// Codes of attachments that were not taken. The ticket goes on without them.
const (
	FileEmpty   = "FILE_EMPTY"
	FileTooBig  = "FILE_TOO_BIG"
	FileType    = "FILE_TYPE"    // the contents are not what the name says, or of a kind nobody accepts
	FileHost    = "FILE_HOST"    // the host is not on the list
	FileDiffers = "FILE_DIFFERS" // the hash is not the announced one
)

const defaultMaxFile = 20 << 20

// kinds of contents by ending of the name: what the first bytes must say.
var contents = map[string][]string{
	"jpg": {"image/jpeg"}, "jpeg": {"image/jpeg"}, "png": {"image/png"}, "gif": {"image/gif"}, "pdf": {"application/pdf"},
	"txt": {"text/plain"}, "csv": {"text/plain"}, "doc": {"application/octet-stream"}, "docx": {"application/zip"}, "xlsx": {"application/zip"},
	"mp3": {"audio/mpeg"}, "wav": {"audio/wave"}, "mp4": {"video/mp4"},
}

// CheckFile judges the bytes of an attachment: its size, and its kind by what it contains, not by what it is called. It
// returns "" or a code.
func CheckFile(name string, data []byte, can ticket.Capabilities) string {
	limit := can.MaxAttachment
	if limit <= 0 {
		limit = defaultMaxFile
	}
	ending := strings.ToLower(strings.TrimPrefix(path.Ext(name), "."))
	switch {
	case len(data) == 0:
		return FileEmpty
	case int64(len(data)) > limit:
		return FileTooBig
	case len(can.Types) > 0 && !slices.Contains(can.Types, ending) && name != "全文.txt":
		return FileType
	}
	found, _, _ := strings.Cut(http.DetectContentType(data[:min(len(data), 512)]), ";")
	ole := []byte{0xd0, 0xcf, 0x11, 0xe0}
	switch want, ok := contents[ending]; {
	case !ok, !slices.Contains(want, found):
		return FileType
	case ending == "doc" && !bytes.HasPrefix(data, ole):
		return FileType
	}
	return ""
}

// keepFiles stores the bytes that came with an offer. A file that is not accepted is marked, and the ticket goes on.
func (m *matter) keepFiles(given []Content) error {
	for i := range m.kase.Appeal.Attachments {
		f := &m.kase.Appeal.Attachments[i]
		n := slices.IndexFunc(given, func(c Content) bool { return c.AttID == f.ID })
		if n < 0 {
			continue
		}
		if code := CheckFile(f.Name, given[n].Data, m.about.Can); code != "" {
			if err := m.fileFailed(*f, code); err != nil {
				return err
			}
			continue
		}
		if err := m.keepFile(f, given[n].Data); err != nil {
			return err
		}
	}
	m.dropFailed()
	return m.t.PutCase(m.kase, m.now)
}

// dropFailed takes attachments that failed out of what is offered.
func (m *matter) dropFailed() {
	m.kase.Appeal.Attachments = slices.DeleteFunc(m.kase.Appeal.Attachments, func(f ticket.Attachment) bool { return f.Ref == "failed" })
}

func (m *matter) fileFailed(f ticket.Attachment, code string) error {
	for i := range m.kase.Appeal.Attachments {
		if m.kase.Appeal.Attachments[i].ID == f.ID {
			m.kase.Appeal.Attachments[i].Ref = "failed"
		}
	}
	if err := m.t.OpenTask(m.Peer, m.ID, "attachment_"+code, fmt.Sprintf("附件 %s 未接收：%s", f.ID, code), m.now); err != nil {
		return err
	}
	return m.t.PutFile(ledger.File{Handoff: m.ID, AttID: f.ID, SM3: f.SM3, SHA256: f.SHA256, Size: f.Size, State: ledger.FileFailed, Said: code, Peer: m.Peer}, m.now)
}

// keepFile stores bytes under their hash and fills in what the attachment says of them.
func (m *matter) keepFile(f *ticket.Attachment, data []byte) error {
	sum := sha256.Sum256(data)
	f.SHA256, f.SM3, f.Size = hex.EncodeToString(sum[:]), ticket.HashOf(data), int64(len(data))
	for n := 0; n*ledger.ChunkSize < len(data); n++ {
		if err := m.t.PutChunk(f.SM3, n, data[n*ledger.ChunkSize:min(len(data), (n+1)*ledger.ChunkSize)]); err != nil {
			return err
		}
	}
	return m.t.PutFile(ledger.File{Handoff: m.ID, AttID: f.ID, SM3: f.SM3, SHA256: f.SHA256, Size: f.Size, Held: f.Size, State: ledger.FileHere, Peer: m.Peer}, m.now)
}

// expect notes attachments a peer named; their bytes are fetched later, without keeping the ticket waiting.
func (m *matter) expect(list []ticket.Attachment) error {
	for _, f := range list {
		if err := m.t.PutFile(ledger.File{Handoff: m.ID, AttID: f.ID, SM3: f.SM3, SHA256: f.SHA256, Size: f.Size, State: ledger.FileWaiting, Ref: f.Ref, Peer: m.Peer}, m.now); err != nil {
			return err
		}
	}
	return nil
}

// Fetched takes a file that a courier brought whole: data is judged by size, kind and hash.
func (d *Desk) Fetched(ctx context.Context, f ledger.File, name string, data []byte) error {
	return d.do(ctx, f.Handoff, func(m *matter) error {
		code := CheckFile(name, data, m.about.Can)
		sum := sha256.Sum256(data)
		if code == "" && (f.SM3 != "" && f.SM3 != ticket.HashOf(data) || f.SHA256 != "" && f.SHA256 != hex.EncodeToString(sum[:])) {
			code = FileDiffers
		}
		if code != "" {
			return m.fileFailed(ticket.Attachment{ID: f.AttID, SM3: f.SM3, SHA256: f.SHA256, Size: f.Size}, code)
		}
		return m.keepFile(&ticket.Attachment{ID: f.AttID}, data)
	})
}

// FetchFailed marks a file that will not come.
func (d *Desk) FetchFailed(ctx context.Context, f ledger.File, code string) error {
	return d.do(ctx, f.Handoff, func(m *matter) error {
		return m.fileFailed(ticket.Attachment{ID: f.AttID, SM3: f.SM3, SHA256: f.SHA256, Size: f.Size}, code)
	})
}

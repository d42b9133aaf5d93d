package ledger

import (
	"context"
	"database/sql"
	"io"
	"time"
)

// States of an attachment.
const (
	FileWaiting = "waiting" // named, bytes not here yet
	FileHere    = "here"
	FileFailed  = "failed" // will not come; Said says why
)

// File is an attachment of a hand-off.
type File struct {
	Handoff, AttID string
	SM3, SHA256    string
	Size, Held     int64 // as announced; bytes here
	State          string
	Said           string // code of the failure
	Ref            string // where a peer keeps it
	Peer           string
}

// PutFile stores what is known of an attachment, new or changed.
func (t *Tx) PutFile(f File, now time.Time) error {
	if _, err := t.exec("DELETE FROM fayi_ho_file WHERE handoff=? AND att_id=?", f.Handoff, f.AttID); err != nil {
		return err
	}
	_, err := t.exec("INSERT INTO fayi_ho_file (sm3,sha256,size,held,state,said,ref,peer,handoff,att_id,created_us) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
		f.SM3, f.SHA256, f.Size, f.Held, f.State, []byte(f.Said), []byte(f.Ref), f.Peer, f.Handoff, f.AttID, us(now))
	return err
}

// Files of a hand-off, or of all hand-offs of a peer in a state.
func (l *Ledger) Files(ctx context.Context, handoff string) ([]File, error) {
	return files(ctx, l.st.DB(), "handoff=?", handoff)
}

// FilesWaiting of a peer.
func (l *Ledger) FilesWaiting(ctx context.Context, peer string) ([]File, error) {
	return files(ctx, l.st.DB(), "peer=? AND state=? AND ref<>?", peer, FileWaiting, []byte{})
}

func files(ctx context.Context, r reader, where string, args ...any) ([]File, error) {
	return query(ctx, r, func(rs *sql.Rows) (f File, err error) {
		var said, ref []byte
		err = rs.Scan(&f.SM3, &f.SHA256, &f.Size, &f.Held, &f.State, &said, &ref, &f.Peer, &f.Handoff, &f.AttID)
		f.Said, f.Ref = string(said), string(ref)
		return f, err
	}, "SELECT sm3,sha256,size,held,state,said,ref,peer,handoff,att_id FROM fayi_ho_file WHERE "+where+" ORDER BY handoff,att_id", args...)
}

// ChunkSize is how much of a file one row holds.
const ChunkSize = 1 << 19

// PutChunk stores part n of the bytes named by name: a file's SM3, or hand-off and attachment while it is still coming.
func (t *Tx) PutChunk(name string, n int, data []byte) error {
	if _, err := t.exec("DELETE FROM fayi_ho_chunk WHERE sm3=? AND n=?", name, n); err != nil {
		return err
	}
	_, err := t.exec("INSERT INTO fayi_ho_chunk (sm3,n,data) VALUES (?,?,?)", name, n, nonNil(data))
	return err
}

// DropChunks forgets the bytes under a name.
func (t *Tx) DropChunks(name string) error {
	_, err := t.exec("DELETE FROM fayi_ho_chunk WHERE sm3=?", name)
	return err
}

// RenameChunks gives the bytes their final name, or drops them where that is taken already.
func (t *Tx) RenameChunks(from, to string) error {
	var n int
	if err := t.tx.QueryRowContext(t.ctx, "SELECT COUNT(*) FROM fayi_ho_chunk WHERE sm3=?", to).Scan(&n); err != nil {
		return err
	}
	if n > 0 {
		return t.DropChunks(from)
	}
	_, err := t.exec("UPDATE fayi_ho_chunk SET sm3=? WHERE sm3=?", to, from)
	return err
}

// Content reads stored bytes. It implements io.ReaderAt.
type Content struct {
	ctx  context.Context
	l    *Ledger
	name string
}

// Content of the bytes under a name.
func (l *Ledger) Content(ctx context.Context, name string) Content { return Content{ctx, l, name} }

// ReadAt reads across chunks.
func (c Content) ReadAt(p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) {
		at := off + int64(done)
		var data []byte
		err := c.l.st.DB().QueryRowContext(c.ctx, "SELECT data FROM fayi_ho_chunk WHERE sm3=? AND n=?", c.name, at/ChunkSize).Scan(&data)
		if one(err) == ErrUnknown {
			return done, io.EOF
		} else if err != nil {
			return done, err
		}
		rest := at % ChunkSize
		if rest >= int64(len(data)) {
			return done, io.EOF
		}
		done += copy(p[done:], data[rest:])
	}
	return done, nil
}

// Size of the bytes under a name.
func (c Content) Size() (int64, error) {
	var n sql.NullInt64
	err := c.l.st.DB().QueryRowContext(c.ctx, "SELECT SUM(LENGTH(data)) FROM fayi_ho_chunk WHERE sm3=?", c.name).Scan(&n)
	return n.Int64, err
}

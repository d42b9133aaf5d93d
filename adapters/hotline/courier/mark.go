package courier

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// remember writes how much was sent, this time included, before it leaves.
func (c *Courier) remember(ctx context.Context) error {
	if c.mark == "" {
		return nil
	}
	n, err := c.l.Claims(ctx, c.party)
	if err != nil {
		return err
	}
	tmp := c.mark + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(strconv.FormatInt(n, 10) + "\n")
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp, c.mark)
	}
	return err
}

// restored pauses the courier where the database knows of less than was sent: an older one was put back.
func (c *Courier) restored(ctx context.Context) error {
	if c.mark == "" {
		return nil
	}
	b, err := os.ReadFile(c.mark)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	sent, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		sent = 1 << 62 // a mark nobody can read is no leave to send
	}
	known, err := c.l.Claims(ctx, c.party)
	if err != nil || known >= sent {
		return err
	}
	c.alarm(ctx, "restored", "数据库早于已发送的消息（可能恢复了备份）：发送已暂停。请运行 fayi handoff recover "+c.party)
	return c.Pause(ctx)
}

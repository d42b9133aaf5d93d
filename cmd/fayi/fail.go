package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"fayi/cmd/fayi/internal/config"
	"fayi/crypto/keys"
	"fayi/gateway/join"
	"fayi/gateway/problem"
	"fayi/gateway/store"
	"fayi/outbox"
	"fayi/schemas"
)

// said is an error with its words, made where the command knows best.
type said struct {
	code           string
	zh, en         string
	hintZH, hintEN string
	err            error // shown as detail, may be nil
}

func (s *said) Error() string { return s.code + ": " + s.en }
func (s *said) Unwrap() error { return s.err }

// fail prints an error and returns the exit code that belongs to it.
func (e *env) fail(err error) int {
	s := explain(err)
	fmt.Fprintf(e.stderr, "fayi: %s%s\n", e.text(s.zh, s.en), e.text("（"+s.code+"）", " ("+s.code+")"))
	if s.err != nil {
		detail := s.err.Error()
		var ce *config.Error
		if errors.As(s.err, &ce) {
			detail = ce.Text(e.english)
		}
		for line := range strings.SplitSeq(strings.TrimSpace(detail), "\n") {
			fmt.Fprintf(e.stderr, "  %s\n", line)
		}
	}
	if hint := e.text(s.hintZH, s.hintEN); hint != "" {
		fmt.Fprintf(e.stderr, "%s%s\n", e.text("建议：", "hint: "), hint)
	}
	return exitFailed
}

// usage prints what was wrong with the command line.
func (e *env) usage(name, zh, en string) int {
	fmt.Fprintf(e.stderr, "fayi: %s%s\n", e.text(zh, en), e.text("（USAGE）", " (USAGE)"))
	fmt.Fprintf(e.stderr, "%s%s\n", e.text("建议：", "hint: "), e.text("运行 "+name+" -h 查看用法", "run "+name+" -h"))
	return exitUsage
}

// known are errors of other packages that an operator can do something about.
var known = []struct {
	err error
	said
}{
	{keys.ErrPassphrase, said{code: "PASSPHRASE", zh: "口令不对，或密钥文件已损坏", en: "wrong passphrase or damaged key file",
		hintZH: "核对口令文件；密钥文件损坏时从备份恢复", hintEN: "check the passphrase file; restore a damaged key from its backup"}},
	{keys.ErrPermission, said{code: "FILE_MODE", zh: "机密文件的权限过宽，其他用户可读", en: "a secret file is readable by others",
		hintZH: "执行 chmod 600 后重试", hintEN: "chmod 600 it and try again"}},
	{keys.ErrExists, said{code: problem.AlreadyExists, zh: "文件已经存在，不会覆盖", en: "the file exists and is not overwritten",
		hintZH: "换一个目录；确认不再需要时先移走原文件", hintEN: "use another folder, or move the old files away"}},
	{keys.ErrMismatch, said{code: join.CodeKeys, zh: "私钥与证书不相符", en: "a private key does not belong to its certificate",
		hintZH: "核对 keys 目录是否混入了别的节点的文件", hintEN: "check the keys folder for files of another node"}},
	{store.ErrNewerDatabase, said{code: problem.Ahead, zh: "数据库由更新版本的程序建立", en: "the database belongs to a newer version",
		hintZH: "请使用不低于该版本的程序", hintEN: "use a program at least as new"}},
	{context.Canceled, said{code: "INTERRUPTED", zh: "已中断", en: "interrupted"}},
	{fs.ErrNotExist, said{code: "NO_FILE", zh: "找不到文件或目录", en: "file or folder not found",
		hintZH: "核对路径；配置文件用 -c 指定", hintEN: "check the path; -c names the configuration"}},
	{fs.ErrExist, said{code: problem.AlreadyExists, zh: "文件已经存在，不会覆盖", en: "the file exists and is not overwritten",
		hintZH: "换一个文件名，或先移走原文件", hintEN: "use another name, or move the old file away"}},
	{fs.ErrPermission, said{code: "FILE_ACCESS", zh: "没有访问该文件的权限", en: "no permission for this file",
		hintZH: "核对文件属主与当前用户", hintEN: "check the file's owner and the current user"}},
}

// places reduces an error of [known] to the files it is about: the sentence
// says the rest.
func places(err error) error {
	var paths []string
	var walk func(error)
	walk = func(err error) {
		var list interface{ Unwrap() []error }
		var pe *fs.PathError
		var le *os.LinkError
		switch {
		case errors.As(err, &list) && len(list.Unwrap()) > 1:
			for _, e := range list.Unwrap() {
				walk(e)
			}
		case errors.As(err, &pe):
			paths = append(paths, pe.Path)
		case errors.As(err, &le):
			paths = append(paths, le.New)
		default: // "keys: wrong passphrase: DIR/sign.key"
			if i := strings.LastIndex(err.Error(), ": "); i >= 0 {
				if last := err.Error()[i+2:]; strings.ContainsRune(last, filepath.Separator) {
					last, _, _ = strings.Cut(last, " has mode")
					paths = append(paths, last)
				}
			}
		}
	}
	walk(err)
	if len(paths) == 0 {
		return nil
	}
	return errors.New(strings.Join(paths, "\n"))
}

// explain finds the words for an error.
func explain(err error) *said {
	var (
		own  *said
		conf *config.Error
		je   *join.Error
		oe   *outbox.Error
		pe   *schemas.PackError
		pr   *problem.Error
	)
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &conf):
		return &said{code: problem.BadConfig, zh: "配置文件有 " + fmt.Sprint(len(conf.Faults)) + " 处问题：" + conf.File,
			en: fmt.Sprintf("%d faults in the configuration %s", len(conf.Faults), conf.File), err: conf,
			hintZH: "按所列各项改正后重试", hintEN: "correct them and try again"}
	case errors.As(err, &je):
		return &said{code: je.Code, zh: je.Message, en: je.MessageEN, hintZH: je.Hint, hintEN: je.HintEN, err: je.Err}
	case errors.As(err, &oe):
		return &said{code: oe.Code, zh: oe.Message, en: oe.MessageEN, hintZH: oe.Hint}
	case errors.As(err, &pe):
		return &said{code: "BAD_PACK", zh: "数据规范包有问题", en: "a schema pack has faults", err: pe,
			hintZH: "改正后重试，或移出 packs 目录", hintEN: "correct it or move it out of the packs folder"}
	}
	for _, k := range known {
		if errors.Is(err, k.err) {
			s := k.said
			s.err = places(err)
			return &s
		}
	}
	if errors.As(err, &pr) {
		t := problem.Describe(pr.Code)
		return &said{code: pr.Code, zh: t.Zh, en: t.En, hintZH: t.Hint, err: err}
	}
	return &said{code: problem.Internal, zh: "操作没有完成", en: "the operation failed", err: err,
		hintZH: "根据上面的详情处理；查不出原因时保留这段输出", hintEN: "see the detail above; keep this output if it does not explain itself"}
}

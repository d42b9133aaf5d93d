package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fayi/crypto/keys"
	"fayi/crypto/sign"
	"fayi/gateway/packfile"
)

// grantFile is the registrar's grant in a pack signer's folder.
const grantFile = "grant.json"

func schemaSign(_ context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi schema sign", args: "PACKDIR",
		zh: "检查一个规范包目录，用登记机关或其授权签发人的私钥签名，写成一个可发布的文件。不连接节点，可在离线的机器上运行。\n" +
			"之后用 fayi schema publish 在发布节点发布该文件。",
		en: "Check the folder of a pack, sign it with the key of the registrar or of a signer it named, and write one file that can be published.\n" +
			"Needs no node and runs on a machine that is offline. Then publish the file with fayi schema publish at the node.",
		example: "fayi schema sign -registrar /media/usb/registrar packs/national-1.2.0"})
	registrarDir := f.string("registrar", "", "登记机关私钥`目录`，内有口令文件 passphrase", "`folder` of the registrar's keys, with its file passphrase")
	signerDir := f.string("signer", "", "签发人私钥`目录`（fayi schema signer 建立），代替 -registrar", "`folder` of a pack signer (made by fayi schema signer), instead of -registrar")
	out := f.string("o", "", "输出`文件`（默认 名称-版本.fpack），不覆盖已有文件", "output `file` (default NAME-VERSION.fpack); nothing is overwritten")
	asJSON := f.asJSON()
	rest, code, ok := f.parse(args)
	if !ok {
		return code
	}
	if len(rest) != 1 {
		return f.usage("要写且只写一个规范包目录 PACKDIR", "exactly one folder PACKDIR is needed")
	}
	if (*registrarDir == "") == (*signerDir == "") {
		return f.usage("-registrar 与 -signer 要写且只写一个", "exactly one of -registrar and -signer is needed")
	}
	if _, err := os.Stat(filepath.Join(rest[0], "pack.json")); err != nil {
		return e.fail(err)
	}
	node, signer, grants, err := packSigner(*registrarDir, *signerDir)
	if err != nil {
		return e.fail(err)
	}
	data, p, err := packfile.Build(os.DirFS(rest[0]), node, signer, grants, time.Now())
	if err != nil {
		return e.fail(err)
	}
	if *out == "" {
		*out = p.Name + "-" + p.Version + ".fpack"
	}
	if err := writeNew(*out, data); err != nil {
		return e.fail(err)
	}
	if *asJSON {
		e.json(map[string]any{"pack": p.Name, "version": p.Version, "node": p.Node, "from": p.From, "until": p.Until, "types": p.Types, "files": len(p.Files), "bytes": len(data), "digest": sign.Sum(data), "file": *out})
		return exitOK
	}
	e.say("已签名：规范包 %s %s，%s 起生效，%d 种记录类型，发布节点 %s，文件 %s（%d 字节）", "signed: pack %s %s, in force from %s, %d record types, for node %s, file %s (%d bytes)",
		p.Name, p.Version, p.From, len(p.Types), p.Node, *out, len(data))
	e.say("下一步：在节点 %s 上运行 fayi schema publish -c fayi.yaml %s", "Next, at node %s: fayi schema publish -c fayi.yaml %s", p.Node, *out)
	return exitOK
}

// packSigner loads whichever of the two folders is named.
func packSigner(registrarDir, signerDir string) (node string, s keys.Signer, grants []sign.SignedGrant, err error) {
	if registrarDir != "" {
		r, err := loadRegistrar(registrarDir)
		if err != nil {
			return "", nil, nil, err
		}
		return r.NodeID, r.Signer, nil, nil
	}
	pass, err := keys.ReadPassphrase(filepath.Join(signerDir, "passphrase"))
	if err != nil {
		return "", nil, nil, err
	}
	ps, err := keys.LoadPackSigner(signerDir, pass)
	if err != nil {
		return "", nil, nil, err
	}
	raw, err := os.ReadFile(filepath.Join(signerDir, grantFile))
	if err != nil {
		return "", nil, nil, err
	}
	var g sign.SignedGrant
	if err := sign.Unmarshal([]byte(strings.TrimSuffix(string(raw), "\n")), &g); err != nil {
		return "", nil, nil, fmt.Errorf("%s: %w", grantFile, err)
	}
	return ps.Cert.Subject(), ps.Signer, []sign.SignedGrant{g}, nil
}

func loadRegistrar(dir string) (*keys.Registrar, error) {
	pass, err := keys.ReadPassphrase(filepath.Join(dir, "passphrase"))
	if err != nil {
		return nil, err
	}
	return keys.LoadRegistrar(dir, pass)
}

func schemaSigner(_ context.Context, e *env, args []string) int {
	f := e.flags(help{name: "fayi schema signer", args: "DIR",
		zh: "登记机关授权一个规范包签发人：在新目录 DIR 中建立密钥、证书和授权书。签发人只能签名单中的规范包，到期失效；\n" +
			"登记机关私钥可一直留在保险柜中。",
		en: "The registrar names a pack signer: make key, certificate and grant in the new folder DIR. The signer may sign the packs listed, until the\n" +
			"grant ends; the registrar's own key can stay in its safe.",
		example: "fayi schema signer -registrar /media/usb/registrar -packs national -days 365 signer"})
	registrarDir := f.string("registrar", "", "登记机关私钥`目录`", "`folder` of the registrar's keys")
	packs := f.string("packs", "", "可签的规范包`名称`，逗号分隔", "`names` of the packs it may sign, by comma")
	days := f.uint64("days", 365, "授权`天数`，最多 3650", "how many `days` the grant lasts, at most 3650")
	asJSON := f.asJSON()
	rest, code, ok := f.parse(args)
	if !ok {
		return code
	}
	if len(rest) != 1 || *registrarDir == "" || *packs == "" {
		return f.usage("要写 -registrar、-packs 和一个目录 DIR", "-registrar, -packs and one folder DIR are needed")
	}
	if *days < 1 || *days > 3650 {
		return f.usage("-days 为 1 到 3650", "-days is 1 to 3650")
	}
	names := strings.Split(*packs, ",")
	for _, n := range names {
		if !sign.ValidPackName(n) {
			return f.usage("规范包名称为小写字母、数字和连字符："+n, "a pack's name is lower-case letters, digits and hyphens: "+n)
		}
	}
	until, err := grantSigner(*registrarDir, rest[0], names, time.Duration(*days)*24*time.Hour)
	if err != nil {
		return e.fail(err)
	}
	if *asJSON {
		e.json(map[string]any{"dir": rest[0], "packs": names, "until": until})
		return exitOK
	}
	e.say("已授权：目录 %s，可签 %s，到 %s", "granted: folder %s may sign %s until %s", rest[0], e.list(names), until)
	return exitOK
}

// grantSigner makes a signer's folder.
func grantSigner(registrarDir, dir string, packs []string, validity time.Duration) (until sign.Time, err error) {
	r, err := loadRegistrar(registrarDir)
	if err != nil {
		return until, err
	}
	if err := absent(filepath.Join(dir, "passphrase"), filepath.Join(dir, grantFile)); err != nil {
		return until, err
	}
	pass, err := newPassphrase(dir)
	if err != nil {
		return until, err
	}
	now := time.Now()
	ps, err := r.CreatePackSigner(dir, pass, now, validity)
	if err != nil {
		return until, err
	}
	until = sign.At(now.Add(validity))
	body, sig, err := sign.Sign(r.Signer, keys.PackV1, sign.PackGrant{V: 1, Node: r.NodeID, Cert: ps.Cert.Raw(), Packs: packs, Until: until, Time: sign.At(now)})
	if err != nil {
		return until, err
	}
	line, err := sign.Marshal(sign.SignedGrant{Grant: body, Sigs: []sign.EntrySig{{By: sign.Hash(r.Signer.ID()), Sig: sig}}})
	if err != nil {
		return until, err
	}
	return until, writeNew(filepath.Join(dir, grantFile), append(line, '\n'))
}

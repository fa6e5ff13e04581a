package rpc

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/linli-project/linli/pkg/texts"
)

// plain are rules that read the same in every language: numbers and signs.
var plain = regexp.MustCompile(`^[0-9–≤<>, YMD-]*(from|to)?[0-9–≤<>, ]*(from|to)?[0-9–≤<>, ]*(from|to)?[0-9–≤<>, ]*$`)

// TestRules_AreToldInChinese reads what the services say of a field that
// breaks its rule, and wants each of it in Chinese.
func TestRules_AreToldInChinese(t *testing.T) {
	found := 0
	err := filepath.WalkDir("../../services", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			for _, must := range rulesIn(call) {
				found++
				if !plain.MatchString(must) && texts.Word(texts.Chinese, "must", must) == must {
					t.Errorf("%s: %q has no Chinese text must.%s", path, must, must)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 50 {
		t.Fatalf("only %d rules were found: it looks in the wrong place", found)
	}
}

// rulesIn answers the literal rules of a call: what follows "rule" in
// rule.New, and what ends invalid(field, must).
func rulesIn(call *ast.CallExpr) (rules []string) {
	name := ""
	switch f := call.Fun.(type) {
	case *ast.Ident:
		name = f.Name
	case *ast.SelectorExpr:
		name = f.Sel.Name
	}
	for i, arg := range call.Args {
		text, ok := literal(arg)
		switch {
		case !ok:
		case name == "New" && i > 0 && before(call.Args[i-1]) == "rule", name == "invalid" && i == len(call.Args)-1:
			rules = append(rules, text)
		}
	}
	return rules
}

func before(e ast.Expr) string { text, _ := literal(e); return text }

func literal(e ast.Expr) (string, bool) {
	l, ok := e.(*ast.BasicLit)
	if !ok || l.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(l.Value)
	return text, err == nil
}

func TestInWords_TellsARuleInTheCallersLanguage(t *testing.T) {
	got := inWords(texts.Chinese, []string{"field", "title", "rule", "not blank"})
	if got[3] != "不能只有空白" {
		t.Errorf("in Chinese: %v", got)
	}
	if got := inWords(texts.English, []string{"rule", "not blank"}); got[1] != "not blank" {
		t.Errorf("in English: %v", got)
	}
}

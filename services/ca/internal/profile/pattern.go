package profile

import (
	"regexp"
	"regexp/syntax"
	"strings"
)

// glob is a pattern for names. "*" is any characters but the separators, "**" any characters; everything else stands for itself.
type glob struct {
	text string
	exp  *regexp.Regexp
}

// compileGlob makes a pattern for a kind of names, whose parts the separators part.
func compileGlob(text, separators string) (glob, error) {
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	for rest := text; rest != ""; {
		switch {
		case strings.HasPrefix(rest, "**"):
			b.WriteString(".+")
			rest = rest[2:]
		case rest[0] == '*':
			b.WriteString("[^" + regexp.QuoteMeta(separators) + "]+")
			rest = rest[1:]
		default:
			end := strings.IndexByte(rest, '*')
			if end < 0 {
				end = len(rest)
			}
			b.WriteString(regexp.QuoteMeta(rest[:end]))
			rest = rest[end:]
		}
	}
	b.WriteString(`\z`)
	exp, err := regexp.Compile(b.String())
	return glob{text: text, exp: exp}, err
}

// compileWhole makes a regular expression for a whole value.
func compileWhole(pattern string) (*regexp.Regexp, error) {
	return regexp.Compile(`\A(?:` + pattern + `)\z`)
}

// matcher is a place in the program of a regular expression.
type matcher struct {
	pc    uint32
	ended bool // the end of the text was asserted: no character may follow
}

// canMatch says whether any text of at most bound characters matches the regular expression. It walks the program that the expression is compiled
// to, breadth first by the number of characters; word boundaries count as possible.
func canMatch(pattern string, bound int) bool {
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return false
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return false
	}
	current := []matcher{{pc: uint32(program.Start)}} //nolint:gosec // an index
	for length := 0; length <= bound && len(current) > 0; length++ {
		seen, next := map[matcher]bool{}, map[matcher]bool{}
		for len(current) > 0 {
			m := current[len(current)-1]
			current = current[:len(current)-1]
			if seen[m] {
				continue
			}
			seen[m] = true
			inst := &program.Inst[m.pc]
			switch {
			case inst.Op == syntax.InstMatch:
				return true
			case !isCharacter(inst.Op):
				current = append(current, m.follow(inst, length == 0)...)
			case !m.ended:
				next[matcher{pc: inst.Out}] = true
			}
		}
		for m := range next {
			current = append(current, m)
		}
	}
	return false
}

func isCharacter(op syntax.InstOp) bool {
	return op == syntax.InstRune || op == syntax.InstRune1 || op == syntax.InstRuneAny || op == syntax.InstRuneAnyNotNL
}

// follow are the places that are reached without a character.
func (m matcher) follow(inst *syntax.Inst, atStart bool) []matcher {
	switch inst.Op {
	case syntax.InstAlt, syntax.InstAltMatch:
		return []matcher{{inst.Out, m.ended}, {inst.Arg, m.ended}}
	case syntax.InstCapture, syntax.InstNop:
		return []matcher{{inst.Out, m.ended}}
	case syntax.InstEmptyWidth:
		op := syntax.EmptyOp(inst.Arg) //nolint:gosec // flags
		if op&syntax.EmptyBeginText != 0 && !atStart {
			return nil
		}
		return []matcher{{inst.Out, m.ended || op&syntax.EmptyEndText != 0}}
	default: // a failure
		return nil
	}
}

package profile

import (
	"regexp"
	"strings"
)

// placeholder is a word in braces in the value of an attribute.
var placeholder = regexp.MustCompile(`\{[^{}]*\}`)

// placeholders and the key of the kind of names that fills them.
var placeholders = []string{"{dns}", "{ip}", "{email}", "{uri}", "{upn}", "{cn}", "{requester}"}

// isLiteral says whether a value has no placeholder.
func isLiteral(value string) bool { return !strings.ContainsAny(value, "{}") }

// checkTemplate makes sure that the value can be filled in.
func (p *Profile) checkTemplate(f *faults, path string, a Attribute, bound int) {
	for _, word := range placeholder.FindAllString(a.Value, -1) {
		f.oneOf(path, word, placeholders...)
		for _, kind := range p.SAN.kinds() {
			if word == "{"+kind.key+"}" && kind.names.Max == 0 {
				f.add(path, "allow names by san."+kind.key+".max", "%s can never be filled in: the profile has no such names", word)
			}
		}
	}
	rest := placeholder.ReplaceAllString(a.Value, "")
	switch {
	case strings.ContainsAny(rest, "{}"):
		f.add(path, "write a word in braces, such as {dns}", "has a brace without its partner")
	case len([]rune(rest)) > bound:
		f.add(path, "", "is longer than the %d characters that %s has at most", bound, a.Type)
	case isLiteral(a.Value) && a.Type == country && !isCountry(a.Value):
		f.add(path, `two capital letters, such as "CH"`, "%q is no country of ISO 3166", a.Value)
	}
}

// isCountry says whether the text has the form of a country code.
func isCountry(text string) bool {
	return len(text) == 2 && text[0] >= 'A' && text[0] <= 'Z' && text[1] >= 'A' && text[1] <= 'Z'
}

// fill puts words into a template. It returns the placeholder for which there is none.
func fill(template string, words map[string]string) (value, missing string) {
	value = placeholder.ReplaceAllStringFunc(template, func(word string) string {
		text := words[word]
		if text == "" && missing == "" {
			missing = word
		}
		return text
	})
	return value, missing
}

package nfe

import "golang.org/x/text/language"

// languages are what messages are written in; the first is for whoever asks for
// none of them.
var languages = language.NewMatcher([]language.Tag{language.English, language.BrazilianPortuguese})

// longestAccept bounds the work of reading a header; browsers send far less.
const longestAccept = 256

// Localize fills in the messages of findings in the language of an Accept-Language
// header, and returns its tag for Content-Language: "pt-BR" or "en", the latter
// also when the header asks for neither or is no such header.
func Localize(findings []Finding, accept string) string {
	portuguese := prefersPortuguese(accept)
	for i := range findings {
		rule := rulesByID[findings[i].Rule]
		if rule == nil {
			continue
		}
		findings[i].Message = rule.English
		if portuguese {
			findings[i].Message = rule.Portuguese
		}
	}
	if portuguese {
		return "pt-BR"
	}
	return "en"
}

func prefersPortuguese(accept string) bool {
	if len(accept) > longestAccept {
		return false
	}
	wanted, _, err := language.ParseAcceptLanguage(accept)
	if err != nil || len(wanted) == 0 {
		return false
	}
	_, index, confidence := languages.Match(wanted...)
	return index == 1 && confidence > language.No
}

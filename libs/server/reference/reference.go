// Package reference serves the API reference of a service: its OpenAPI documents, for generators, and a page made of them, for people. Its main
// type is [Reference].
//
// The page needs no JavaScript, and its content security policy allows none. Everything is public, as the documents are, and is there while the
// service is sealed or its database away.
package reference

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/etag"
	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Path is where the page stands. The documents are below it, as <name>.yaml.
const Path = "/reference"

const (
	pathStyle       = Path + "/style.css"
	contentSecurity = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	caching         = "public, no-cache" // a cache asks each time, and mostly hears 304
)

//go:embed style.css
var style []byte

//go:embed page.html
var pageText string

// Reference is what is served.
type Reference struct {
	product, title string
	documents      []document
	codes          problem.Table
}

// document is one OpenAPI document as the product serves it.
type document struct {
	Name string // such as kms: what its title says beside the name of the suite
	text []byte
}

// New makes the reference of a product from its documents, its own first. title heads the page; codes are those of all documents.
func New(product, title string, apis []server.API) (*Reference, error) {
	r := &Reference{product: product, title: title, codes: problem.Platform()}
	for _, api := range apis {
		text := bytes.ReplaceAll(api.Document, []byte("$product"), []byte(product))
		name, err := nameOf(text)
		if err != nil {
			return nil, err
		}
		r.documents = append(r.documents, document{name, text})
		for code, kind := range api.Codes {
			r.codes[code] = kind
		}
	}

	return r, nil
}

// nameOf reads a document's title without reading the document, which takes a tenth of a second.
func nameOf(text []byte) (string, error) {
	for line := range bytes.Lines(text) {
		if title, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte("title:")); ok {
			words := strings.Fields(strings.ToLower(string(title)))
			return words[len(words)-1], nil
		}
	}

	return "", fmt.Errorf("reference: a document has no title")
}

// Protocols are the routes, for server.Deps.
func (r *Reference) Protocols() []server.Protocol {
	list := []server.Protocol{
		route(Path, "text/html; charset=utf-8", r.render),
		route(pathStyle, "text/css; charset=utf-8", func() ([]byte, error) { return style, nil }),
	}
	for _, d := range r.documents {
		list = append(list, route(Path+"/"+d.Name+".yaml", "application/yaml", func() ([]byte, error) { return d.text, nil }))
	}

	return list
}

// content is a text with its strong entity tag.
type content struct {
	text []byte
	tag  string
}

// route serves one public text, which is made when it is first asked for.
func route(path, mediaType string, text func() ([]byte, error)) server.Protocol {
	made := sync.OnceValues(func() (content, error) {
		body, err := text()

		return content{body, etag.OfContent(body)}, err
	})

	return server.Protocol{
		Method: http.MethodGet, Path: path, Client: server.ClientEither, Anonymous: true, Light: true,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			content, err := made()
			if err != nil {
				server.Fail(w, r, err)

				return
			}
			header := w.Header()
			header.Set("Cache-Control", caching)
			header.Set("Content-Security-Policy", contentSecurity)
			header.Set("Referrer-Policy", "no-referrer")
			header.Set("ETag", content.tag)
			if etag.NoneMatch(r.Header.Get("If-None-Match"), content.tag) {
				w.WriteHeader(http.StatusNotModified)

				return
			}
			header.Set("Content-Type", mediaType)
			header.Set("Content-Length", strconv.Itoa(len(content.text)))
			_, _ = w.Write(content.text) // the client is gone if it fails
		}),
	}
}

// render makes the page.
func (r *Reference) render() ([]byte, error) {
	sum := sha256.Sum256(style)
	view := view{
		Title: r.title, Product: r.product, Style: pathStyle, Codes: codesOf(r.codes),
		Integrity: "sha256-" + base64.StdEncoding.EncodeToString(sum[:]),
	}
	for _, d := range r.documents {
		read, err := openapi3.NewLoader().LoadFromData(d.text)
		if err != nil {
			return nil, fmt.Errorf("reference: %w", err)
		}
		view.Documents = append(view.Documents, documentOf(d.Name, read))
	}
	page, err := template.New("page").Funcs(template.FuncMap{"prose": r.prose}).Parse(pageText)
	if err != nil {
		return nil, fmt.Errorf("reference: %w", err)
	}
	var out bytes.Buffer
	if err := page.Execute(&out, view); err != nil {
		return nil, fmt.Errorf("reference: %w", err)
	}

	return out.Bytes(), nil
}

// prose is a description as HTML: paragraphs, and code between backticks, which leads to what it says of an error.
func (r *Reference) prose(text string) template.HTML {
	var out strings.Builder
	for paragraph := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		if paragraph == "" {
			continue
		}
		out.WriteString("<p>")
		for i, part := range strings.Split(paragraph, "`") {
			_, isCode := r.codes[part]
			part = template.HTMLEscapeString(part)
			switch {
			case i%2 == 1 && isCode:
				part = `<a href="#code-` + part + `"><code>` + part + "</code></a>"
			case i%2 == 1:
				part = "<code>" + part + "</code>"
			}
			out.WriteString(part)
		}
		out.WriteString("</p>")
	}

	return template.HTML(out.String()) //nolint:gosec // every part is escaped
}

// code is one problem code.
type code struct {
	Code, Title string
	Status      int
}

func codesOf(table problem.Table) []code {
	list := make([]code, 0, len(table))
	for name, kind := range table {
		list = append(list, code{name, kind.Title, kind.Status})
	}

	slices.SortFunc(list, func(a, b code) int { return cmp.Or(cmp.Compare(a.Status, b.Status), cmp.Compare(a.Code, b.Code)) })

	return list
}

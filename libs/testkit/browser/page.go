package browser

import (
	"encoding/base64"
	"os"
	"strings"
	"testing"
)

// Page is a tab of its own, with cookies of its own.
type Page struct {
	t       testing.TB
	browser *Browser
	session string
}

// Look is how a page is looked at.
type Look struct {
	Width, Height int
	// Dark asks for the dark colours.
	Dark bool
	// Scale is the number of pixels of a screenshot per unit; 1 when zero.
	Scale float64
}

// NoScripts opens a page that runs no scripts.
func (b *Browser) NoScripts(t testing.TB, look Look) *Page {
	t.Helper()
	p := b.Page(t, look)
	b.call(p.session, "Emulation.setScriptExecutionDisabled", params{"value": true}, nil)
	return p
}

// Page opens a page.
func (b *Browser) Page(t testing.TB, look Look) *Page {
	t.Helper()
	var context struct {
		ID string `json:"browserContextId"`
	}
	b.call("", "Target.createBrowserContext", params{}, &context)
	var target struct {
		ID string `json:"targetId"`
	}
	b.call("", "Target.createTarget", params{"url": "about:blank", "browserContextId": context.ID}, &target)
	var attached struct {
		Session string `json:"sessionId"`
	}
	b.call("", "Target.attachToTarget", params{"targetId": target.ID, "flatten": true}, &attached)
	p := &Page{t: t, browser: b, session: attached.Session}
	for _, domain := range []string{"Page.enable", "DOM.enable", "Network.enable"} {
		b.call(p.session, domain, params{}, nil)
	}
	p.Look(look)
	return p
}

// Look changes how the page is looked at.
func (p *Page) Look(look Look) {
	p.t.Helper()
	if look.Scale == 0 {
		look.Scale = 1
	}
	p.browser.call(p.session, "Emulation.setDeviceMetricsOverride",
		params{"width": look.Width, "height": look.Height, "deviceScaleFactor": look.Scale, "mobile": look.Width < 600}, nil)
	scheme := "light"
	if look.Dark {
		scheme = "dark"
	}
	p.browser.call(p.session, "Emulation.setEmulatedMedia", params{"features": []params{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

// Open goes to a URL and waits until the page is loaded.
func (p *Page) Open(url string) {
	p.t.Helper()
	p.loading(func() {
		var result struct {
			Error string `json:"errorText"`
		}
		p.browser.call(p.session, "Page.navigate", params{"url": url}, &result)
		if result.Error != "" {
			p.t.Fatalf("browser: open %s: %s", url, result.Error)
		}
	})
}

// loading does something and waits until the page that it leads to is loaded.
func (p *Page) loading(do func()) {
	p.t.Helper()
	loaded := p.browser.on(p.session, "Page.loadEventFired")
	do()
	p.browser.wait("load", loaded)
}

// node finds an element by its selector.
func (p *Page) node(selector string) int {
	p.t.Helper()
	var document struct {
		Root struct {
			ID int `json:"nodeId"`
		} `json:"root"`
	}
	p.browser.call(p.session, "DOM.getDocument", params{}, &document)
	var found struct {
		ID int `json:"nodeId"`
	}
	p.browser.call(p.session, "DOM.querySelector", params{"nodeId": document.Root.ID, "selector": selector}, &found)
	if found.ID == 0 {
		p.t.Fatalf("browser: %s has no %s: %s", p.URL(), selector, p.HTML())
	}
	return found.ID
}

// Type types a text into a field.
func (p *Page) Type(selector, text string) {
	p.t.Helper()
	p.browser.call(p.session, "DOM.focus", params{"nodeId": p.node(selector)}, nil)
	p.browser.call(p.session, "Input.insertText", params{"text": text}, nil)
}

// TypeHere types a text where the focus is.
func (p *Page) TypeHere(text string) {
	p.t.Helper()
	p.browser.call(p.session, "Input.insertText", params{"text": text}, nil)
}

// Press presses a button, or follows a link, by the keyboard, and waits for the page that it leads to.
func (p *Page) Press(selector string) {
	p.t.Helper()
	p.browser.call(p.session, "DOM.focus", params{"nodeId": p.node(selector)}, nil)
	p.loading(func() { p.Key("Enter", "\r") })
}

// Key presses a key where the focus is; text is what it writes, such as "\r" for Enter.
func (p *Page) Key(key, text string) {
	p.t.Helper()
	codes := map[string]int{"Tab": 9, "Enter": 13, "Escape": 27, " ": 32}
	for _, event := range []string{"keyDown", "keyUp"} {
		down := params{"type": event, "key": key, "code": key, "windowsVirtualKeyCode": codes[key]}
		if event == "keyDown" && text != "" {
			down["text"] = text
		}
		p.browser.call(p.session, "Input.dispatchKeyEvent", down, nil)
	}
}

// HTML is the page as it is now.
func (p *Page) HTML() string {
	p.t.Helper()
	var document struct {
		Root struct {
			ID int `json:"nodeId"`
		} `json:"root"`
	}
	p.browser.call(p.session, "DOM.getDocument", params{}, &document)
	var out struct {
		HTML string `json:"outerHTML"`
	}
	p.browser.call(p.session, "DOM.getOuterHTML", params{"nodeId": document.Root.ID}, &out)
	return out.HTML
}

// URL is where the page is.
func (p *Page) URL() string {
	p.t.Helper()
	var history struct {
		Current int `json:"currentIndex"`
		Entries []struct {
			URL string `json:"url"`
		} `json:"entries"`
	}
	p.browser.call(p.session, "Page.getNavigationHistory", params{}, &history)
	return history.Entries[history.Current].URL
}

// Cookie is a cookie as the browser keeps it.
type Cookie struct {
	Name, Value, Path, Domain, SameSite string
	Secure, HTTPOnly                    bool
	Session                             bool
}

// Cookies are those that the page's URL gets.
func (p *Page) Cookies() []Cookie {
	p.t.Helper()
	var out struct {
		Cookies []Cookie `json:"cookies"`
	}
	p.browser.call(p.session, "Network.getCookies", params{}, &out)
	return out.Cookies
}

// Width is how wide the page's content is; wider than the window, it has to be scrolled sideways.
func (p *Page) Width() int {
	p.t.Helper()
	var out struct {
		Content struct {
			Width float64 `json:"width"`
		} `json:"cssContentSize"`
	}
	p.browser.call(p.session, "Page.getLayoutMetrics", params{}, &out)
	return int(out.Content.Width)
}

// Screenshot writes a picture of the whole page as PNG.
func (p *Page) Screenshot(file string) {
	p.t.Helper()
	var out struct {
		Data string `json:"data"`
	}
	p.browser.call(p.session, "Page.captureScreenshot", params{"format": "png", "captureBeyondViewport": true}, &out)
	picture, err := base64.StdEncoding.DecodeString(strings.TrimSpace(out.Data))
	if err == nil {
		err = os.WriteFile(file, picture, 0o600)
	}
	if err != nil {
		p.t.Fatalf("browser: screenshot: %v", err)
	}
}

// AccessibleNames are role and name of what assistive technology finds on the page, such as "textbox Password".
func (p *Page) AccessibleNames() []string {
	p.t.Helper()
	p.browser.call(p.session, "Accessibility.enable", params{}, nil)
	var out struct {
		Nodes []struct {
			Ignored bool `json:"ignored"`
			Role    struct {
				Value string `json:"value"`
			} `json:"role"`
			Name struct {
				Value string `json:"value"`
			} `json:"name"`
		} `json:"nodes"`
	}
	p.browser.call(p.session, "Accessibility.getFullAXTree", params{}, &out)
	var names []string
	for _, node := range out.Nodes {
		if !node.Ignored {
			names = append(names, strings.TrimSpace(node.Role.Value+" "+node.Name.Value))
		}
	}
	return names
}

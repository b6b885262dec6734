// Package etag makes strong entity tags of versions and evaluates the preconditions of requests with them (RFC 9110 sections 8.8.3 and 13).
// A change to a resource asks for If-Match, so that nobody overwrites what he has not seen.
package etag

import (
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/server/problem"
)

// Of returns the strong tag of a resource's version, quotes included. A version counts the changes of one resource.
func Of(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// OfContent returns the strong tag of a content, quotes included: 128 bits of its SHA-256, so that nobody finds two contents with one tag.
func OfContent(content []byte) string {
	const enough = 16
	sum := sha256.Sum256(content)

	return `"` + base64.RawURLEncoding.EncodeToString(sum[:enough]) + `"`
}

// Match evaluates If-Match against the tag of the resource as it is. The error has the code precondition_required when the field is
// absent, precondition_failed when the resource is another version by now, and bad_request when the field is malformed. Weak tags
// match nothing (RFC 9110 section 13.1.1); "*" matches whatever is there.
func Match(ifMatch, current string) error {
	if strings.Trim(ifMatch, " \t") == "" {
		return problem.New(problem.PreconditionRequired, "send the resource's ETag as If-Match")
	}
	found, err := find(ifMatch, func(tag string, weak bool) bool { return !weak && tag == current })
	if err != nil {
		return err
	}
	if !found {
		return problem.New(problem.PreconditionFailed, "the resource has changed; read it again")
	}

	return nil
}

// Version evaluates If-Match where the change itself compares versions, in one statement of SQL: it returns the one version that the
// caller has seen. Errors are those of Match; "*" and lists, which name no one version, are bad_request.
func Version(ifMatch string) (int64, error) {
	text := strings.Trim(ifMatch, " \t")
	if text == "" {
		return 0, problem.New(problem.PreconditionRequired, "send the resource's ETag as If-Match")
	}
	tag, weak, rest, ok := cut(text)
	if !ok || rest != "" {
		return 0, problem.New(problem.BadRequest, "If-Match must be the one ETag of the resource")
	}
	version, err := strconv.ParseInt(strings.Trim(tag, `"`), 10, 64)
	if weak || err != nil || Of(version) != tag {
		return 0, problem.New(problem.PreconditionFailed, "the resource has changed; read it again")
	}

	return version, nil
}

// NoneMatch tells by If-None-Match whether the caller has the resource as it is, so that 304 is the answer to GET and HEAD. The comparison is
// weak (RFC 9110 section 13.1.2). A malformed field is ignored: a full answer is never wrong.
func NoneMatch(ifNoneMatch, current string) bool {
	if strings.Trim(ifNoneMatch, " \t") == "" {
		return false
	}
	found, err := find(ifNoneMatch, func(tag string, _ bool) bool { return tag == current })

	return err == nil && found
}

// find looks for a tag in a list.
func find(list string, fits func(tag string, weak bool) bool) (found bool, err error) {
	rest := strings.Trim(list, " \t")
	if rest == "*" {
		return true, nil
	}
	for {
		tag, weak, after, ok := cut(rest)
		if !ok {
			return false, problem.New(problem.BadRequest, "the field must be a list of entity tags")
		}
		found = found || fits(tag, weak)
		if after == "" {
			return found, nil
		}
		if after[0] != ',' {
			return false, problem.New(problem.BadRequest, "the field must be a list of entity tags")
		}
		rest = strings.TrimLeft(after[1:], " \t")
	}
}

// cut cuts the first tag, quotes included, off a list.
func cut(list string) (tag string, weak bool, rest string, ok bool) {
	list, weak = strings.CutPrefix(list, "W/")
	if len(list) < 2 || list[0] != '"' {
		return "", false, "", false
	}
	end := strings.IndexByte(list[1:], '"')
	if end < 0 {
		return "", false, "", false
	}
	tag, rest = list[:end+2], strings.TrimLeft(list[end+2:], " \t")
	for i := 1; i <= end; i++ {
		if tag[i] <= ' ' || tag[i] == 0x7f { // etagc of RFC 9110 section 8.8.3
			return "", false, "", false
		}
	}

	return tag, weak, rest, true
}

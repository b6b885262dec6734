package apiclient_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cryptoutil/cryptoutil/libs/apiclient"
)

func TestProblem_SaysEachThingOnce(t *testing.T) {
	t.Parallel()
	field := func(pointer, detail string) apiclient.FieldProblem {
		return apiclient.FieldProblem{Pointer: pointer, Detail: detail}
	}
	for want, p := range map[string]apiclient.Problem{
		"conflict: the name is taken":                     {Code: "conflict", Title: "Conflict", Detail: "the name is taken"},
		"conflict: Conflict (request r1)":                 {Code: "conflict", Title: "Conflict", RequestID: "r1"},
		"overloaded":                                      {Code: "overloaded"},
		"validation_failed: /size: from 1 to 9":           {Code: "validation_failed", Title: "Invalid", Detail: "from 1 to 9", Errors: []apiclient.FieldProblem{field("/size", "from 1 to 9")}},
		"validation_failed: Invalid; /size: from 1 to 9":  {Code: "validation_failed", Title: "Invalid", Errors: []apiclient.FieldProblem{field("/size", "from 1 to 9")}},
		"validation_failed: two are wrong; /a: a; /b: b":  {Code: "validation_failed", Detail: "two are wrong", Errors: []apiclient.FieldProblem{field("/a", "a"), field("/b", "b")}},
		"validation_failed: /a: a (request r2)":           {Code: "validation_failed", Detail: "a", RequestID: "r2", Errors: []apiclient.FieldProblem{field("/a", "a")}},
		"validation_failed: a; /a: a; /b: b (request r3)": {Code: "validation_failed", Detail: "a", RequestID: "r3", Errors: []apiclient.FieldProblem{field("/a", "a"), field("/b", "b")}},
	} {
		assert.Equal(t, want, p.Error())
	}
}

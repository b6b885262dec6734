package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/cryptoutil/cryptoutil/libs/apiclient"
)

const (
	// MaxBatch is how many items one request of a batch has: the service's maximum. Longer batches are sent as several requests.
	MaxBatch = 1000
	// maxBatchBody is how many bytes one request of a batch has: the service's maximum.
	maxBatchBody = 8 << 20
	// batchFrame is what surrounds the items.
	batchFrame = len(`{"items":[]}`)
)

// Operation names an operation that a batch has many of.
type Operation string

// The operations that go in batches.
const (
	OpEncrypt         Operation = "encrypt"
	OpDecrypt         Operation = "decrypt"
	OpReencrypt       Operation = "reencrypt"
	OpSign            Operation = "sign"
	OpVerify          Operation = "verify"
	OpMac             Operation = "mac"
	OpVerifyMac       Operation = "verify-mac"
	OpGenerateDataKey Operation = "generate-data-key"
	OpWrap            Operation = "wrap"
	OpUnwrap          Operation = "unwrap"
	OpGenerate        Operation = "generate"
	OpDerive          Operation = "derive"
	OpEncapsulate     Operation = "encapsulate"
	OpDecapsulate     Operation = "decapsulate"
	OpGenerateRandom  Operation = "generate-random" // which takes no key
)

// Operations are all that go in batches.
func Operations() []Operation {
	return []Operation{
		OpEncrypt, OpDecrypt, OpReencrypt, OpSign, OpVerify, OpMac, OpVerifyMac, OpGenerateDataKey, OpWrap, OpUnwrap, OpGenerate, OpDerive,
		OpEncapsulate, OpDecapsulate, OpGenerateRandom,
	}
}

// postBatch sends the body of a batch.
type postBatch func(ctx context.Context, id KeyID, contentType string, body io.Reader, editors ...RequestEditorFn) (*http.Response, error)

// batches is how an operation's batch is sent; false for one that has none.
func (k *KMS) batches(operation Operation) (postBatch, bool) {
	post, known := map[Operation]postBatch{
		OpEncrypt: k.api.EncryptBatchWithBody, OpDecrypt: k.api.DecryptBatchWithBody, OpReencrypt: k.api.ReencryptBatchWithBody,
		OpSign: k.api.SignBatchWithBody, OpVerify: k.api.VerifyBatchWithBody, OpMac: k.api.MacBatchWithBody,
		OpVerifyMac: k.api.VerifyMacBatchWithBody, OpGenerateDataKey: k.api.GenerateDataKeyBatchWithBody, OpWrap: k.api.WrapBatchWithBody,
		OpUnwrap: k.api.UnwrapBatchWithBody, OpGenerate: k.api.GenerateBatchWithBody, OpDerive: k.api.DeriveBatchWithBody,
		OpEncapsulate: k.api.EncapsulateBatchWithBody, OpDecapsulate: k.api.DecapsulateBatchWithBody,
		OpGenerateRandom: func(ctx context.Context, _ KeyID, contentType string, body io.Reader, editors ...RequestEditorFn) (*http.Response, error) {
			return k.api.GenerateRandomBatchWithBody(ctx, contentType, body, editors...)
		},
	}[operation]
	return post, known
}

// Batch performs an operation for each item, which is a body of the operation, and returns the results in the same order: each has its status and
// what the operation answers, or a problem. An item that is wrong fails alone. Items go in requests of at most [MaxBatch]; the error is that of a
// request as a whole, and the results are then those of the requests before it. The methods whose names end in Batch do the same
// with types.
func (k *KMS) Batch(ctx context.Context, key string, operation Operation, items []json.RawMessage) ([]json.RawMessage, error) {
	send, known := k.batches(operation)
	if !known {
		return nil, fmt.Errorf("%q is no operation that goes in batches", operation)
	}
	name := fmt.Sprintf("batch of %s", operation)
	if operation != OpGenerateRandom {
		if err := apiclient.CheckRef(key); err != nil {
			return nil, err
		}
		name += fmt.Sprintf(" with key %q", key)
	}
	results := make([]json.RawMessage, 0, len(items))
	for len(items) > 0 {
		part := pack(items)
		answers, err := k.sendBatch(ctx, name, key, send, part)
		if err != nil {
			return results, err
		}
		results, items = append(results, answers...), items[len(part.refused):]
	}
	return results, nil
}

// parcel is the items of one request.
type parcel struct {
	body    []byte            // with those that are sent
	sent    int               // how many that are
	refused []json.RawMessage // of each item: the result that it has without being sent, nil for the others
}

// pack takes as many of the items as one request has room for, at least one.
func pack(items []json.RawMessage) parcel {
	p := parcel{body: []byte(`{"items":[`)}
	for _, item := range items[:min(len(items), MaxBatch)] {
		var compact bytes.Buffer
		switch {
		case json.Compact(&compact, item) != nil:
			p.refused = append(p.refused, refusedItem(http.StatusBadRequest, "bad_request", "the item is no JSON"))
			continue
		case compact.Len() > maxBatchBody-batchFrame:
			p.refused = append(p.refused, refusedItem(http.StatusRequestEntityTooLarge, "payload_too_large", "the item is larger than a request may be"))
			continue
		case len(p.body)+len(",]}")+compact.Len() > maxBatchBody:
			p.body = append(p.body, "]}"...)
			return p
		}
		if p.sent > 0 {
			p.body = append(p.body, ',')
		}
		p.body = append(p.body, compact.Bytes()...)
		p.sent++
		p.refused = append(p.refused, nil)
	}
	p.body = append(p.body, "]}"...)
	return p
}

// refusedItem is the result of an item that cannot be sent, in the form of those that were.
func refusedItem(status int, code, detail string) json.RawMessage {
	text, err := json.Marshal(struct {
		Status  int     `json:"status"`
		Problem Problem `json:"problem"`
	}{status, Problem{Type: "urn:cryptoutil:problem:" + code, Title: http.StatusText(status), Status: status, Code: code, Detail: detail}})
	if err != nil {
		panic(err) // it is made of texts and numbers
	}
	return text
}

// sendBatch is one request of a batch.
func (k *KMS) sendBatch(ctx context.Context, name, key string, send postBatch, part parcel) ([]json.RawMessage, error) {
	var answers []json.RawMessage
	if part.sent > 0 {
		answer, err := call[struct {
			Results []json.RawMessage `json:"results"`
		}](ctx, k, name, func(ctx context.Context) (*http.Response, error) {
			return send(ctx, key, "application/json", bytes.NewReader(part.body))
		})
		if err != nil {
			return nil, err
		}
		answers = answer.Results
	}
	if len(answers) != part.sent {
		return nil, fmt.Errorf("%s: the answer holds %d results of %d items", name, len(answers), part.sent)
	}
	results := make([]json.RawMessage, len(part.refused))
	for n, refused := range part.refused {
		if refused == nil {
			refused, answers = answers[0], answers[1:]
		}
		results[n] = refused
	}
	return results, nil
}

package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// Outcome is what became of one item of a batch: a value, or an error, which is a [*Problem] where the service refused the item.
type Outcome[T any] struct {
	Value T
	Err   error
}

// EncryptBatch encrypts every item.
func (k *KMS) EncryptBatch(ctx context.Context, key string, items []EncryptRequest) ([]Outcome[EncryptResponse], error) {
	return batch[EncryptResponse](ctx, k, key, OpEncrypt, items)
}

// DecryptBatch decrypts every item.
func (k *KMS) DecryptBatch(ctx context.Context, key string, items []DecryptRequest) ([]Outcome[DecryptResponse], error) {
	return batch[DecryptResponse](ctx, k, key, OpDecrypt, items)
}

// ReencryptBatch encrypts every message anew.
func (k *KMS) ReencryptBatch(ctx context.Context, key string, items []ReencryptRequest) ([]Outcome[ReencryptResponse], error) {
	return batch[ReencryptResponse](ctx, k, key, OpReencrypt, items)
}

// SignBatch signs every item.
func (k *KMS) SignBatch(ctx context.Context, key string, items []SignRequest) ([]Outcome[SignResponse], error) {
	return batch[SignResponse](ctx, k, key, OpSign, items)
}

// VerifyBatch checks every signature. One that does not verify is a value, not an error: look at Valid.
func (k *KMS) VerifyBatch(ctx context.Context, key string, items []VerifyRequest) ([]Outcome[VerifyResponse], error) {
	return batch[VerifyResponse](ctx, k, key, OpVerify, items)
}

// MacBatch computes the MAC of every item.
func (k *KMS) MacBatch(ctx context.Context, key string, items []MacRequest) ([]Outcome[MacResponse], error) {
	return batch[MacResponse](ctx, k, key, OpMac, items)
}

// VerifyMacBatch checks every MAC. One that is not right is a value, not an error: look at Valid.
func (k *KMS) VerifyMacBatch(ctx context.Context, key string, items []VerifyMacRequest) ([]Outcome[VerifyMacResponse], error) {
	return batch[VerifyMacResponse](ctx, k, key, OpVerifyMac, items)
}

// GenerateDataKeyBatch makes a data key for every item. RSA pairs take long: ask for few at once.
func (k *KMS) GenerateDataKeyBatch(ctx context.Context, key string, items []GenerateDataKeyRequest) ([]Outcome[GenerateDataKeyResponse], error) {
	return batch[GenerateDataKeyResponse](ctx, k, key, OpGenerateDataKey, items)
}

// WrapBatch wraps every key.
func (k *KMS) WrapBatch(ctx context.Context, key string, items []WrapRequest) ([]Outcome[WrapResponse], error) {
	return batch[WrapResponse](ctx, k, key, OpWrap, items)
}

// UnwrapBatch opens every wrapped key.
func (k *KMS) UnwrapBatch(ctx context.Context, key string, items []UnwrapRequest) ([]Outcome[UnwrapResponse], error) {
	return batch[UnwrapResponse](ctx, k, key, OpUnwrap, items)
}

// GenerateBatch makes a wrapped JWK for every item.
func (k *KMS) GenerateBatch(ctx context.Context, key string, items []GenerateRequest) ([]Outcome[GenerateResponse], error) {
	return batch[GenerateResponse](ctx, k, key, OpGenerate, items)
}

// DeriveBatch derives a secret for every item.
func (k *KMS) DeriveBatch(ctx context.Context, key string, items []DeriveRequest) ([]Outcome[DeriveResponse], error) {
	return batch[DeriveResponse](ctx, k, key, OpDerive, items)
}

// EncapsulateBatch makes so many shared secrets.
func (k *KMS) EncapsulateBatch(ctx context.Context, key string, count int) ([]Outcome[EncapsulateResponse], error) {
	if count < 0 {
		return nil, fmt.Errorf("encapsulate with key %q: %d times is not possible", key, count)
	}
	items := make([]EncapsulateRequest, count)
	for n := range items {
		items[n] = EncapsulateRequest{}
	}
	return batch[EncapsulateResponse](ctx, k, key, OpEncapsulate, items)
}

// DecapsulateBatch gets the secret out of every ciphertext.
func (k *KMS) DecapsulateBatch(ctx context.Context, key string, items []DecapsulateRequest) ([]Outcome[DecapsulateResponse], error) {
	return batch[DecapsulateResponse](ctx, k, key, OpDecapsulate, items)
}

// GenerateRandomBatch returns random bytes for every item.
func (k *KMS) GenerateRandomBatch(ctx context.Context, items []GenerateRandomRequest) ([]Outcome[GenerateRandomResponse], error) {
	return batch[GenerateRandomResponse](ctx, k, "", OpGenerateRandom, items)
}

// batch is [KMS.Batch] with types.
func batch[O, I any](ctx context.Context, k *KMS, key string, operation Operation, items []I) ([]Outcome[O], error) {
	texts := make([]json.RawMessage, len(items))
	for n, item := range items {
		text, err := json.Marshal(item)
		if err != nil {
			return nil, fmt.Errorf("batch of %s: item %d: %w", operation, n, err)
		}
		texts[n] = text
	}
	results, err := k.Batch(ctx, key, operation, texts)
	outcomes := make([]Outcome[O], len(results))
	for n, result := range results {
		outcomes[n] = outcomeOf[O](result)
	}
	return outcomes, err
}

// outcomeOf reads a result: the members of the operation's answer beside a status, or a problem.
func outcomeOf[O any](result json.RawMessage) (o Outcome[O]) {
	var verdict struct {
		Status  int      `json:"status"`
		Problem *Problem `json:"problem"`
	}
	if o.Err = json.Unmarshal(result, &verdict); o.Err != nil {
		o.Err = fmt.Errorf("decode result: %w", o.Err)
		return o
	}
	switch {
	case verdict.Problem != nil:
		verdict.Problem.Status = verdict.Status
		o.Err = verdict.Problem
	case verdict.Status != http.StatusOK:
		o.Err = fmt.Errorf("the result has the status %d and no problem", verdict.Status)
	default:
		if err := json.Unmarshal(result, &o.Value); err != nil {
			o.Err = fmt.Errorf("decode result: %w", err)
		}
	}
	return o
}

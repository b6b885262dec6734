package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"runtime"
	"strconv"

	"github.com/cryptoutil/cryptoutil/libs/server"
	"github.com/cryptoutil/cryptoutil/libs/server/batch"
	"github.com/cryptoutil/cryptoutil/libs/server/jsonscan"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// serveBatch answers a request of many items: each has its own result, in their order, and one that is wrong fails alone.
func (a action[I, O]) serveBatch(h *Operations, w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	who, err := caller(ctx)
	if err != nil {
		return err
	}
	id := refOf(r)
	if id != "" {
		about(ctx, id, 0)
	}
	items, err := itemsOf(server.BodyFrom(ctx))
	if err != nil {
		return err
	}
	if who, err = h.keys.Batch(ctx, who, a.op, keyring.Ref(id), len(items)); err != nil {
		return err
	}
	outcomes := batch.Each(ctx, items, runtime.GOMAXPROCS(0), func(ctx context.Context, item []byte) (answer O, err error) {
		if err := server.CheckItem(ctx, item); err != nil {
			return answer, err
		}
		ask, err := a.read(item)
		if err != nil {
			return answer, err
		}
		return a.do(ctx, who, keyring.Ref(id), ask)
	})
	if err := ctx.Err(); err != nil {
		return err // nobody waits for the rest
	}
	buffer := buffers.Get().(*[]byte) //nolint:forcetypeassert // the pool holds nothing else
	out, tally, err := a.results(ctx, (*buffer)[:0], id, outcomes)
	if err == nil {
		err = h.useAll(ctx, tally.list())
	}
	if err != nil {
		clear(out)
		return err
	}
	header := w.Header()
	header["Content-Type"] = jsonType
	header["Content-Length"] = []string{strconv.Itoa(len(out))}
	_, _ = w.Write(out) //nolint:gosec // JSON under its own media type; when the client has gone there is nobody to tell
	release(buffer, out)
	return nil
}

// itemsOf takes the list out of a batch's body, which the document has allowed.
func itemsOf(body []byte) (items [][]byte, err error) {
	r := jsonscan.NewReader(body)
	err = r.Object(func(name []byte) error {
		if string(name) != "items" {
			return r.Unknown()
		}
		return r.Array(func(int) error {
			item, err := r.Raw()
			items = append(items, item)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return items, r.Close()
}

// results appends the answer, and counts what was done.
func (a action[I, O]) results(ctx context.Context, out []byte, id string, outcomes []batch.Outcome[O]) ([]byte, tally, error) {
	tally := tally{}
	out = append(out, `{"results":[`...)
	for i := range outcomes {
		if i > 0 {
			out = append(out, ',')
		}
		err := outcomes[i].Err
		if err == nil {
			done := a.uses(a.name, outcomes[i].Value)
			if done[0].of.ElasticKeyID == "" {
				done = uses{{name: a.name, of: keyring.Used{ElasticKeyID: id}}}
			}
			tally.add(done)
			if out, err = a.write(append(out, `{"status":200,`...), outcomes[i].Value); err != nil {
				return out, nil, err
			}
			out = append(out, '}')
			continue
		}
		doc := server.ProblemOf(ctx, err)
		tally.fail(a.name, id, doc.Status, doc.Code)
		text, err := json.Marshal(doc)
		if err != nil {
			return out, nil, err
		}
		out = strconv.AppendInt(append(out, `{"status":`...), int64(doc.Status), 10)
		out = append(append(append(out, `,"problem":`...), text...), '}')
	}
	return append(out, "]}\n"...), tally, nil
}

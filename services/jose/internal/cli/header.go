package cli

import (
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"

	"github.com/cryptoutil/cryptoutil/services/jose/client"
)

// headerFlags say what a message's headers hold, and which serialization it has.
type headerFlags struct {
	keys                []string
	typ, cty            string
	header, unprotected string // files
	serialization       string
}

func addHeaderFlags(cmd *cobra.Command, whose string) *headerFlags {
	f := new(headerFlags)
	flags := cmd.Flags()
	flags.StringArrayVar(&f.keys, "key", nil, "name or id of the key; several times for several "+whose)
	flags.StringVar(&f.typ, "typ", "", "the header's typ, the media type of the message")
	flags.StringVar(&f.cty, "cty", "", "the header's cty, the media type of what is inside")
	flags.StringVar(&f.header, "header", "", "file with a JSON object of further members of the protected header")
	flags.StringVar(&f.unprotected, "unprotected", "", "file with a JSON object of an unprotected header")
	flags.StringVar(&f.serialization, "serialization", "", "compact, flattened or general (default compact where that can be)")
	clientcli.Require(cmd, "key")
	clientcli.Complete(cmd, "serialization", serializations()...)
	return f
}

func serializations() []string {
	return []string{string(client.SerializationCompact), string(client.SerializationFlattened), string(client.SerializationGeneral)}
}

// members are the headers that the flags name. others are the paths of further flags, which may be standard input too.
func (f *headerFlags) members(cmd *cobra.Command, others ...string) (header, unprotected *json.RawMessage, err error) {
	if f.serialization != "" {
		if err := clientcli.OneOf("serialization", f.serialization, serializations()...); err != nil {
			return nil, nil, err
		}
	}
	if err := oneStdin(append(others, f.header, f.unprotected)...); err != nil {
		return nil, nil, err
	}
	if header, err = readObject(cmd, "header", f.header); err != nil {
		return nil, nil, err
	}
	unprotected, err = readObject(cmd, "unprotected", f.unprotected)
	return header, unprotected, err
}

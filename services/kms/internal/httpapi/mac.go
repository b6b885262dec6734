package httpapi

import (
	"context"
	"strconv"

	"github.com/cryptoutil/cryptoutil/libs/server/jsonscan"

	"github.com/cryptoutil/cryptoutil/services/kms/internal/keyring"
)

// macAsk is the body of mac and of verify-mac.
type macAsk struct {
	payload []byte
	mac     string
	version int64
}

func readMAC(object []byte) (ask macAsk, err error) {
	err = readObject(object, func(r *jsonscan.Reader, name string) (bool, error) {
		if name == "payload" {
			return readBytes(r, "/payload", &ask.payload)
		}
		return false, nil
	})
	if err == nil && ask.payload == nil {
		err = missing("/payload")
	}
	return ask, err
}

func readVerifyMAC(object []byte) (ask macAsk, err error) {
	there := false
	err = readObject(object, func(r *jsonscan.Reader, name string) (bool, error) {
		switch name {
		case "payload":
			return readBytes(r, "/payload", &ask.payload)
		case "mac":
			there = true
			return readText(r, &ask.mac)
		case "version":
			return readInteger(r, &ask.version)
		}
		return false, nil
	})
	if err == nil && ask.payload == nil {
		err = missing("/payload")
	}
	if err == nil && !there {
		err = missing("/mac")
	}
	return ask, err
}

// mac is POST /elastic-keys/{id}/mac.
func (h *Operations) mac() action[macAsk, keyring.MAC] {
	return action[macAsk, keyring.MAC]{
		op: keyring.OpMAC, name: "mac", read: readMAC,
		do: func(ctx context.Context, who keyring.Caller, ref keyring.Ref, ask macAsk) (keyring.MAC, error) {
			return h.keys.MakeMAC(ctx, who, ref, ask.payload)
		},
		uses: func(name string, m keyring.MAC) uses { return single(name, m.Used) },
		write: func(out []byte, m keyring.MAC) ([]byte, error) {
			out = append(appendBytes(out, "mac", m.MAC), ',')
			return appendUsed(appendPlain(out, "algorithm", m.Algorithm), m.Used), nil
		},
	}
}

// verifyMAC is POST /elastic-keys/{id}/verify-mac.
func (h *Operations) verifyMAC() action[macAsk, keyring.Verdict] {
	return action[macAsk, keyring.Verdict]{
		op: keyring.OpVerifyMAC, name: "verifyMac", read: readVerifyMAC,
		do: func(ctx context.Context, who keyring.Caller, ref keyring.Ref, ask macAsk) (keyring.Verdict, error) {
			return h.keys.VerifyMAC(ctx, who, ref, ask.payload, ask.mac, ask.version)
		},
		uses: func(name string, v keyring.Verdict) uses { return single(name, v.Used) },
		write: func(out []byte, v keyring.Verdict) ([]byte, error) {
			return appendUsed(strconv.AppendBool(append(out, `"valid":`...), v.Valid), v.Used), nil
		},
	}
}

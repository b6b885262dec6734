// Program derandomized encapsulates with given randomness (ML-KEM.Encaps_internal of FIPS 203), for known answers. It reads questions from
// standard input, JSON objects one after another, and answers each with one. The cryptographic module does not do this under FIPS 140-3
// enforcement, so the tests start this program with GODEBUG=fips140=off; nothing else may do so.
package main

import (
	"crypto/mlkem"
	"crypto/mlkem/mlkemtest"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

type question struct {
	ParameterSet   string
	Public, Random []byte
}

type answer struct {
	Shared, Ciphertext []byte
	Error              string
}

func main() {
	questions, answers := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var q question
		err := questions.Decode(&q)
		if errors.Is(err, io.EOF) {
			return
		}
		if err == nil {
			err = answers.Encode(encapsulate(q))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func encapsulate(q question) (a answer) {
	var err error
	switch q.ParameterSet {
	case "ML-KEM-768":
		var key *mlkem.EncapsulationKey768
		if key, err = mlkem.NewEncapsulationKey768(q.Public); err == nil {
			a.Shared, a.Ciphertext, err = mlkemtest.Encapsulate768(key, q.Random)
		}
	case "ML-KEM-1024":
		var key *mlkem.EncapsulationKey1024
		if key, err = mlkem.NewEncapsulationKey1024(q.Public); err == nil {
			a.Shared, a.Ciphertext, err = mlkemtest.Encapsulate1024(key, q.Random)
		}
	default:
		err = fmt.Errorf("parameter set %q", q.ParameterSet)
	}
	if err != nil {
		a.Error = err.Error()
	}
	return a
}

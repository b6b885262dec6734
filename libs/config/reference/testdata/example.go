package testdata

import "time"

// example is what a program could be configured with.
type example struct {
	// Address is where it listens,
	// as IP:port.
	Address string `koanf:"address"`
	Limits  bounds `koanf:"limits"`
}

type bounds struct {
	// Read and Write are for requests | answers.
	Read  time.Duration `koanf:"read"`
	Write time.Duration `koanf:"write"`

	Burst int `koanf:"burst" live:"true"` // Burst may come at once.
}

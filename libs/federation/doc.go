// Package federation is a service's client side towards its peers: it finds them, calls them within bounds, and says how they are.
package federation

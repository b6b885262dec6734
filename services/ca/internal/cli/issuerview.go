package cli

import (
	"strings"

	"github.com/cryptoutil/cryptoutil/libs/service/clientcli"

	"github.com/cryptoutil/cryptoutil/services/ca/client"
)

// issuerRows is a CA as a table.
func issuerRows(ca client.CA) [][]string {
	rows := [][]string{
		{"ID", ca.ID},
		{"Name", ca.Name},
		{"Description", clientcli.TextOf(ca.Description)},
		{"Kind", string(ca.Kind)},
		{"Family", string(ca.Family)},
		{"Status", string(ca.Status)},
		{"Key", ca.Algorithm + ", " + string(ca.Custody)},
		{"Subject", ca.Subject},
		{"Profiles", orAll(ca.Profiles)},
		{"URLs", clientcli.TextOf(ca.BaseURL)},
		{"Certificate until", clientcli.TextOf(ca.NotAfter)},
	}
	if ca.SuccessorID != nil {
		rows = append(rows, []string{"Succeeded by", *ca.SuccessorID + " from " + clientcli.TextOf(ca.SucceededAt)})
	}
	return append(rows, []string{"Created", ca.CreatedAt})
}

func orAll(profiles []string) string {
	if len(profiles) == 0 {
		return "all of its family"
	}
	return strings.Join(profiles, ", ")
}

// certificateRows is a certificate as a table.
func certificateRows(c client.Certificate) [][]string {
	rows := [][]string{
		{"Serial", c.Serial},
		{"State", stateText(c)},
		{"Subject", c.Subject},
		{"Names", strings.Join(namesText(c.Names), ", ")},
		{"Profile", c.Profile},
		{"CA", c.CAID},
		{"From", c.NotBefore},
		{"Until", c.NotAfter},
		{"Requester", c.Requester},
		{"Replaces", clientcli.TextOf(c.Replaces)},
	}
	if c.RevokedAt != nil {
		rows = append(rows, []string{"Revoked", *c.RevokedAt})
	}
	return rows
}

// stateText is the state, or that the life of the certificate is over.
func stateText(c client.Certificate) string {
	if of(c.Expired) && c.State == client.CertificateStateIssued {
		return "expired"
	}
	return string(c.State)
}

// namesText are all names, whatever their kind.
func namesText(n client.Names) []string {
	var all []string
	for _, kind := range []*[]string{n.DNS, n.IP, n.Email, n.URI, n.Upn} {
		all = append(all, of(kind)...)
	}
	return all
}

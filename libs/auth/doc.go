// Package auth decides who a caller is. Its main type is FileRealm: tenants, clients and API tokens listed in a YAML file, which needs no
// database and follows changes of the file while the service runs.
//
// Programs present an API token (Authorization: Bearer cu_at_...) or client credentials (Basic, RFC 7617, with the client's id as user name
// and its secret cu_cs_... as password). A credential names its tenant; nothing else in a request does. Secrets stand in the file as hashes of
// package secrethash.
package auth

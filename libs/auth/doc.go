// Package auth decides who a caller is and what he may do. Its main type is [Gate], the server's Authenticator.
//
// What is known of callers comes from realms ([Realm]): [FileRealm], a YAML file, and the directory (package directory), SQL. A realm
// supplies facts, which it may cache; the Gate makes a decision of them for every request.
//
// Programs present an API token (Authorization: Bearer cu_at_...), client credentials (Basic, RFC 7617, with the client's id as user name
// and its secret cu_cs_... as password), a client certificate (RFC 8705 section 2), or a bearer token of another issuer ([Bearer]). A
// credential names its tenant; nothing else in a request does. [Passwords] verifies those of people. [Access] decides about single resources.
package auth

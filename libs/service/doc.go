// Package service builds what every service stands on from its configuration, so that a service adds its domain and its OpenAPI
// document, and nothing else.
package service

package service

import "github.com/cryptoutil/cryptoutil/libs/server"

// Routes are those of the public listener: the service's own, the platform's, pages and protocols.
func (i *Instance) Routes() []server.Route { return i.server.Routes() }

package requests

import "github.com/linli-project/linli/pkg/store"

// Migrations bring the store of an older linli to what this one reads. They are
// only ever added to.
func (s *Service) Migrations() []store.Migration { return nil }

package catalog

import (
	"cmp"
	"slices"
	"sync"
)

// Set is the plugins of one configuration. They run at least until it is
// released.
type Set struct {
	catalog   *Catalog
	instances map[string]*Instance
	once      sync.Once
}

// Plugin is the instance at an address such as plugin.selector.smart; nil: the
// configuration has none.
func (s *Set) Plugin(address string) *Instance { return s.instances[address] }

// Plugins are all instances, by address.
func (s *Set) Plugins() []*Instance {
	all := make([]*Instance, 0, len(s.instances))
	for _, i := range s.instances {
		all = append(all, i)
	}
	slices.SortFunc(all, func(a, b *Instance) int { return cmp.Compare(a.address, b.address) })
	return all
}

// Release is called when the last request that uses the Set has left. Plugins
// that no other Set has are stopped.
func (s *Set) Release() {
	s.once.Do(func() {
		s.catalog.mu.Lock()
		defer s.catalog.mu.Unlock()
		for _, i := range s.instances {
			s.catalog.release(i)
		}
	})
}

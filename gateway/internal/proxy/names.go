package proxy

// maxKnownName is longer than any name in the tables.
const maxKnownName = 40

// names is a set of header names in lower case. Most headers that come are in
// none, which the length and the first letter tell without a look-up.
type names struct {
	first [maxKnownName + 1]uint32 // by length, a bit for each letter
	all   map[string]bool
}

func set(list ...string) *names {
	s := &names{all: make(map[string]bool, len(list))}
	for _, name := range list {
		s.first[len(name)] |= 1 << (name[0] - 'a')
		s.all[name] = true
	}
	return s
}

// has reports whether a name of at most maxKnownName bytes is in the set.
func (s *names) has(name []byte) bool {
	if len(name) == 0 || name[0] < 'a' || name[0] > 'z' || s.first[len(name)]&(1<<(name[0]-'a')) == 0 {
		return false
	}
	return s.all[string(name)]
}

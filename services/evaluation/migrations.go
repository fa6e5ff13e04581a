package evaluation

import "github.com/linli-project/linli/pkg/store"

// Migrations bring the store of an older linli to what this one reads. They are
// only ever added to.
func (s *Service) Migrations() []store.Migration {
	return []store.Migration{{
		Number: 1, What: "the sums of a cycle are kept in pages of their own",
		// Rows of before have their figures in themselves and are read as they
		// are. The number alone is needed: a linli that knows no pages would
		// show the newer rows without figures.
		Slice: func(*store.Tx, []byte) ([]byte, error) { return nil, nil },
	}}
}

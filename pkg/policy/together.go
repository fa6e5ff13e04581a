package policy

import (
	"math/big"

	"github.com/linli-project/linli/pkg/rule"
)

// ladders are values that only make sense in their order: none is above the
// one before it. A district that sets one of them is held to the others, said
// or default.
func ladders() [][]string {
	return [][]string{
		{"evaluation.mark.good", "evaluation.mark.fairly_good", "evaluation.mark.fair", "evaluation.mark.poor"},
		{"evaluation.opinion.good", "evaluation.opinion.fairly_good"},
		{"evaluation.grade.excellent", "evaluation.grade.qualified", "evaluation.grade.basic"},
		{"ledger.star_5", "ledger.star_4", "ledger.star_3", "ledger.star_2", "ledger.star_1"},
	}
}

// weights of the annual evaluation; one at least counts.
func weights() []string {
	return []string{"evaluation.weight.appraisal", "evaluation.weight.ledger", "evaluation.weight.satisfaction"}
}

// number answers an integer or decimal value exactly.
func (p Policy) number(name string) *big.Rat {
	r, ok := new(big.Rat).SetString(p.Text(name))
	if !ok {
		panic("policy: " + name + " was not checked")
	}
	return r
}

// together refuses values that contradict each other, each right by itself.
func (p Policy) together() error {
	for _, ladder := range ladders() {
		for i, name := range ladder[1:] {
			above := ladder[i]
			if p.number(name).Cmp(p.number(above)) <= 0 {
				continue
			}
			if _, said := p.values[name]; !said {
				return badValue(above, "≥ "+name+" = "+p.Text(name))
			}
			return badValue(name, "≤ "+above+" = "+p.Text(above))
		}
	}
	sum := new(big.Rat)
	for _, name := range weights() {
		sum.Add(sum, p.number(name))
	}
	if sum.Sign() == 0 {
		return badValue(weights()[0], "> 0")
	}
	return nil
}

func badValue(key, want string) error {
	return rule.New(rule.Invalid, "POLICY_BAD_VALUE", "values."+key, "key", key, "want", want)
}

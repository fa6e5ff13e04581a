package projects

import (
	"math/big"
	"strconv"
	"time"

	pb "github.com/linli-project/linli/proto/gen/linli/projects/v1"

	"github.com/linli-project/linli/pkg/rule"
)

const secondsOfDay = 24 * 60 * 60

// dayNumber counts a Shanghai day, "2013-04-01", from 1970; 0 for none.
func dayNumber(day string) int {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return 0
	}
	return int(t.Unix() / secondsOfDay)
}

// dayText writes a day that was counted from 1970; empty for 0.
func dayText(n int) string {
	if n == 0 {
		return ""
	}
	return time.Unix(int64(n)*secondsOfDay, 0).UTC().Format(time.DateOnly)
}

// saidDay answers the number of a day that a field says, or of today when it
// says nothing; INVALID_FIELD for what is no day.
func saidDay(field, day, today string) (int, error) {
	if day == "" {
		day = today
	}
	n := dayNumber(day)
	if n == 0 {
		return 0, rule.New(rule.Invalid, "INVALID_FIELD", field, "field", field, "rule", "a day, written 2013-12-31")
	}
	return n, nil
}

// exact answers a number of the API as the decimal that it is written as.
func exact(f float64) *big.Rat {
	r, ok := new(big.Rat).SetString(strconv.FormatFloat(f, 'f', -1, 64))
	if !ok {
		return new(big.Rat)
	}
	return r
}

// shown answers a fraction as a number of the API, rounded to hundredths.
func shown(r *big.Rat) float64 {
	f, err := strconv.ParseFloat(r.FloatString(2), 64)
	if err != nil {
		return 0
	}
	return f
}

func spanProto(from, to int) *pb.DaySpan { return &pb.DaySpan{From: dayText(from), To: dayText(to)} }

package serve

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Rate is how many of something in a time, such as 100/s or 5/m.
type Rate string

// ByteRate is how many bytes in a time, such as 1MiB/s.
type ByteRate string

// perTimes are the times that rates are for.
var perTimes = map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": day}

// ParseRate reads a rate such as 100/s.
func ParseRate(text string) (Rate, error) {
	count, _, err := splitRate(text)
	if n, bad := strconv.ParseFloat(count, 64); err != nil || bad != nil || !(n > 0) || math.IsInf(n, 0) {
		return "", fmt.Errorf("%q is not a rate such as 100/s or 5/m", text)
	}
	return Rate(text), nil
}

// ParseByteRate reads a rate such as 1MiB/s.
func ParseByteRate(text string) (ByteRate, error) {
	count, _, err := splitRate(text)
	if n, bad := parseSize(count); err != nil || bad != nil || n == 0 {
		return "", fmt.Errorf("%q is not a rate of bytes such as 1MiB/s", text)
	}
	return ByteRate(text), nil
}

func splitRate(text string) (count string, per time.Duration, err error) {
	count, unit, _ := strings.Cut(text, "/")
	per, ok := perTimes[unit]
	if !ok {
		return "", 0, fmt.Errorf("%q does not end with /s, /m, /h or /d", text)
	}
	return count, per, nil
}

// PerSecond is the rate as a number, zero for none.
func (r Rate) PerSecond() float64 {
	count, per, err := splitRate(string(r))
	n, bad := strconv.ParseFloat(count, 64)
	if err != nil || bad != nil {
		return 0
	}
	return n / per.Seconds()
}

// PerSecond is the rate as a number of bytes, zero for none.
func (r ByteRate) PerSecond() float64 {
	count, per, err := splitRate(string(r))
	n, bad := parseSize(count)
	if err != nil || bad != nil {
		return 0
	}
	return float64(n) / per.Seconds()
}

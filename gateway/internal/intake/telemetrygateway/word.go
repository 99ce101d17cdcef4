package telemetrygateway

// wordRule is what features and actions look like, for people.
const wordRule = "2 to 64 of a-z A-Z - . and the first one of a-z"

const maxWordBytes = 64

// validWord reports whether s can be a feature or an action:
// ^[a-z][a-zA-Z\-.]+$ of at most 64 bytes.
func validWord[T string | []byte](s T) bool {
	if len(s) < 2 || len(s) > maxWordBytes || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := 1; i < len(s); i++ {
		c := s[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

package eventjson

import "strconv"

// sampleRate reads the share of such events that their sender keeps. 1 and null
// say the same: nothing was left out.
func (e *eventReader) sampleRate() {
	const name = "sample_rate"
	switch e.scan.Kind() {
	case '0':
	case 'n':
		e.skip()
		return
	default:
		e.refuse(name, reasonWrongType, name+" must be a number")
		e.skip()
		return
	}
	start := len(e.out)
	number := e.scan.AppendValue(e.out, 0)[start:]
	rate, err := strconv.ParseFloat(string(number), 64)
	switch {
	case err != nil || rate <= 0 || rate > 1:
		e.refuse(name, reasonInvalidSampleRate, name+" must be above 0 and at most 1")
	case rate < 1:
		e.events[e.index].Event.SampleRate = rate
	}
}

package bench

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// add is one more run of a measure.
func (m *Measure) add(v float64) {
	m.Runs = append(m.Runs, round(v))
	m.Value = round(median(m.Runs))
}

// also notes something else that was seen; of several runs it keeps the median's neighbour, the last.
func (m *Measure) also(name string, v float64) {
	if m.Also == nil {
		m.Also = map[string]float64{}
	}
	m.Also[name] = round(v)
}

// round keeps four digits: the machine is not steadier than that.
func round(v float64) float64 {
	if v == 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return 0
	}
	scale := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}

func median(vs []float64) float64 {
	s := slices.Sorted(slices.Values(vs))
	switch n := len(s); {
	case n == 0:
		return 0
	case n%2 == 1:
		return s[n/2]
	default:
		return (s[n/2-1] + s[n/2]) / 2
	}
}

// percentile is the smallest of vs that p of 100 do not exceed; it sorts vs.
func percentile(vs []time.Duration, p float64) time.Duration {
	if len(vs) == 0 {
		return 0
	}
	slices.Sort(vs)
	return vs[min(len(vs)-1, int(math.Ceil(float64(len(vs))*p/100))-1)]
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// cpu is the processor time this process, and the processes named, have used.
func cpu(pids ...int) time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	total := time.Duration(u.Utime.Nano() + u.Stime.Nano())
	for _, pid := range pids {
		total += cpuOf(pid)
	}
	return total
}

// cpuOf reads another process's time, in ticks of 10 ms.
func cpuOf(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0
	}
	var user, system int64
	fmt.Sscan(f[11], &user)
	fmt.Sscan(f[12], &system)
	return time.Duration(user+system) * 10 * time.Millisecond
}

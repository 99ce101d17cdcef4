package serve

import (
	"runtime"
	"runtime/debug"
)

// A Build says which program this is.
type Build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"` // of the source; "" when the build did not record it
	Modified bool   `json:"modified,omitempty"` // the source had changes beyond the revision
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// ReadBuild returns what the running program was built from.
func ReadBuild() Build {
	b := Build{Version: "devel", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		b.Version = v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// String renders "devel (go1.26.8, linux/amd64)".
func (b Build) String() string { return b.Version + " (" + b.Go + ", " + b.Platform + ")" }

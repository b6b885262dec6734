// Package buildinfo says what a binary was built from: its version, commit and time, and how FIPS 140-3 mode stands. Its main type is
// [Info]. A release is linked with
//
//	-ldflags "-X github.com/cryptoutil/cryptoutil/libs/telemetry/buildinfo.Version=1.2.3"
//
// and built inside the repository, so that Go stamps commit and time (-buildvcs=true).
package buildinfo

import (
	"crypto/fips140"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
)

// Version is set by the linker; it is empty in other builds.
var Version string

// unknown stands for what the binary does not say.
const unknown = "unknown"

// Info describes the running binary. It has no empty fields.
type Info struct {
	Version    string `json:"version"`     // "dev" in a build without one
	Commit     string `json:"commit"`      // of the repository; ends in "-modified" when the working tree was changed
	BuildDate  string `json:"build_date"`  // the commit's time, RFC 3339: builds are reproducible and know no other
	Go         string `json:"go"`          // "go1.26.8"
	Platform   string `json:"platform"`    // "linux/amd64"
	FIPSModule string `json:"fips_module"` // version of Go's cryptographic module that is linked in; "latest" is none that was validated
	FIPSMode   string `json:"fips_mode"`   // as it runs: "only" (enforced), "on", "off"
	FIPSBuild  string `json:"fips_build"`  // as it was built: "GOFIPS140=v1.0.0 GODEBUG=fips140=only"
}

// Read looks at the running binary.
func Read() Info {
	build, ok := debug.ReadBuildInfo()
	if !ok {
		build = &debug.BuildInfo{}
	}
	return describe(build, Version)
}

// describe puts an Info together.
func describe(build *debug.BuildInfo, version string) Info {
	settings := make(map[string]string, len(build.Settings))
	for _, s := range build.Settings {
		settings[s.Key] = s.Value
	}
	info := Info{
		Version:    version,
		Commit:     settings["vcs.revision"],
		BuildDate:  settings["vcs.time"],
		Go:         runtime.Version(),
		Platform:   runtime.GOOS + "/" + runtime.GOARCH,
		FIPSModule: fips140.Version(),
		FIPSMode:   mode(),
		FIPSBuild:  fmt.Sprintf("GOFIPS140=%s GODEBUG=%s", orUnknown(settings["GOFIPS140"]), orUnknown(settings["DefaultGODEBUG"])),
	}
	if info.Version == "" && build.Main.Version != "(devel)" {
		info.Version = build.Main.Version
	}
	if info.Version == "" {
		info.Version = "dev"
	}
	info.Commit, info.BuildDate = orUnknown(info.Commit), orUnknown(info.BuildDate)
	if settings["vcs.modified"] == "true" {
		info.Commit += "-modified"
	}
	return info
}

// mode is FIPS 140-3 mode as the process has it.
func mode() string {
	switch {
	case fips140.Enforced():
		return "only"
	case fips140.Enabled():
		return "on"
	default:
		return "off"
	}
}

func orUnknown(text string) string {
	if text == "" {
		return unknown
	}
	return text
}

// LogValue shows the Info as a group.
func (i Info) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("version", i.Version), slog.String("commit", i.Commit), slog.String("build_date", i.BuildDate), slog.String("go", i.Go),
		slog.String("platform", i.Platform), slog.String("fips_module", i.FIPSModule), slog.String("fips_mode", i.FIPSMode),
	)
}

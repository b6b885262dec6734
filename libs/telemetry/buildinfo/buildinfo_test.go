package buildinfo_test

import (
	"bytes"
	"crypto/fips140"
	"encoding/json"
	"log/slog"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cryptoutil/cryptoutil/libs/telemetry/buildinfo"
)

func TestRead_DescribesThisBinary(t *testing.T) {
	t.Parallel()
	info := buildinfo.Read()
	assert.Equal(t, "dev", info.Version)
	assert.Equal(t, runtime.Version(), info.Go)
	assert.Equal(t, "only", info.FIPSMode)
	assert.Equal(t, fips140.Version(), info.FIPSModule)
	assert.Contains(t, info.FIPSBuild, "GOFIPS140=")
	assert.NotEmpty(t, info.Commit)
	assert.NotEmpty(t, info.BuildDate)
}

func TestDescribe_UsesTheStampsOfTheBuild(t *testing.T) {
	t.Parallel()
	build := &debug.BuildInfo{Main: debug.Module{Version: "v0.9.0"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "abc123"},
		{Key: "vcs.time", Value: "2026-02-03T04:05:06Z"},
		{Key: "vcs.modified", Value: "true"},
		{Key: "GOFIPS140", Value: "v1.0.0"},
		{Key: "DefaultGODEBUG", Value: "fips140=only"},
	}}
	info := buildinfo.Describe(build, "1.2.3")
	assert.Equal(t, "1.2.3", info.Version)
	assert.Equal(t, "abc123-modified", info.Commit)
	assert.Equal(t, "2026-02-03T04:05:06Z", info.BuildDate)
	assert.Equal(t, "GOFIPS140=v1.0.0 GODEBUG=fips140=only", info.FIPSBuild)

	assert.Equal(t, "v0.9.0", buildinfo.Describe(build, "").Version)
	bare := buildinfo.Describe(&debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}, "")
	assert.Equal(t, "dev", bare.Version)
	assert.Equal(t, "unknown", bare.Commit)
	assert.Equal(t, "unknown", bare.BuildDate)
	assert.Equal(t, "GOFIPS140=unknown GODEBUG=unknown", bare.FIPSBuild)
}

func TestInfo_LogsAsAGroup(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("started", "build", buildinfo.Read())
	var line struct {
		Build map[string]string `json:"build"`
	}
	require.NoError(t, json.Unmarshal(out.Bytes(), &line))
	assert.Equal(t, "dev", line.Build["version"])
	assert.Equal(t, "only", line.Build["fips_mode"])
}

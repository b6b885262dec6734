package backup

// WrapForTest makes the header of a backup.
var WrapForTest = wrap //nolint:gochecknoglobals // for tests

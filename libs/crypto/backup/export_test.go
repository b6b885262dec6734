package backup

// WrapForTest makes the header of a backup.
var WrapForTest = wrap

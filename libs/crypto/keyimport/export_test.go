package keyimport

// ParseMaterial lets the tests reach the parser without wrapping.
var ParseMaterial = parse

package kdf

// PBKDF2WithoutFloor lets the tests run vectors of few iterations.
var PBKDF2WithoutFloor = pbkdf2WithoutFloor

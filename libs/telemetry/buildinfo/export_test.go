package buildinfo

// Describe lets tests give the build.
var Describe = describe

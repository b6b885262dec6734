package cryptoutil

// Dev is development mode for tests that look at what it writes.
var Dev = dev

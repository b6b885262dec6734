package content

// AppendSealCBCWithIV lets the tests choose the initialization vector.
var AppendSealCBCWithIV = appendSealCBCWithIV

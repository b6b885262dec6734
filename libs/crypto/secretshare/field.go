package secretshare

// The field is GF(2^8) with the polynomial x^8 + x^4 + x^3 + x + 1 (FIPS 197
// section 4). Nothing here branches on, or indexes a table by, an element: shares
// and coefficients are secrets, and timing must not tell them.

// mul multiplies in the field.
func mul(a, b byte) byte {
	var product byte
	for range 8 {
		product ^= a & -(b & 1)       // add a where the lowest bit of b is set
		a = a<<1 ^ (0x1b & -(a >> 7)) // times x, reduced
		b >>= 1
	}
	return product
}

// inverse returns a^254, which is 1/a, and 0 for 0.
func inverse(a byte) byte {
	square := mul(a, a)
	result := square
	for range 6 {
		square = mul(square, square)
		result = mul(result, square)
	}
	return result
}

// evaluate returns the polynomial at x, by Horner's rule; coefficients start with
// the constant term.
func evaluate(coefficients []byte, x byte) byte {
	var y byte
	for i := len(coefficients) - 1; i >= 0; i-- {
		y = mul(y, x) ^ coefficients[i]
	}
	return y
}

// weightsAtZero returns the Lagrange weights with which the values of a
// polynomial at the distinct, non-zero points xs add up to its value at zero.
func weightsAtZero(xs []byte) []byte {
	weights := make([]byte, len(xs))
	for i, xi := range xs {
		numerator, denominator := byte(1), byte(1)
		for j, xj := range xs {
			if i == j {
				continue
			}
			numerator = mul(numerator, xj)
			denominator = mul(denominator, xi^xj)
		}
		weights[i] = mul(numerator, inverse(denominator))
	}
	return weights
}

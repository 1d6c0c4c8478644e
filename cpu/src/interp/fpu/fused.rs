//! A product and a sum with one rounding, as if exponents had no bounds: for [`super::inexact`], as the x87 unit cannot do it.

/// Bits of the significand of an exact result that are kept; what lies below is one sticky bit.
const TOP: u32 = 124;

/// A number: significand times 2 to the exponent.
#[derive(Clone, Copy)]
struct Exact {
    negative: bool,
    significand: u128,
    exponent: i32,
}

impl Exact {
    /// Of a finite double.
    fn of(x: f64) -> Self {
        let bits = x.to_bits();
        let (field, fraction) = ((bits >> 52 & 0x7ff) as i32, bits & ((1 << 52) - 1));
        let significand = if field == 0 { fraction } else { fraction | 1 << 52 };
        let exponent = field.max(1) - 1075;
        Self { negative: x.is_sign_negative(), significand: u128::from(significand), exponent }
    }

    /// With its highest bit at [`TOP`] (or zero), nothing lost: a significand has 106 bits at most.
    fn normal(self) -> Self {
        let shift = self.significand.leading_zeros().saturating_sub(127 - TOP);
        if self.significand == 0 {
            return self;
        }
        Self {
            significand: self.significand << shift,
            exponent: self.exponent - shift as i32,
            ..self
        }
    }

    fn plus(self, other: Self) -> Self {
        let (a, b) = (self.normal(), other.normal());
        if a.significand == 0 || b.significand == 0 {
            return if a.significand == 0 { b } else { a };
        }
        let (high, low) = if a.exponent >= b.exponent { (a, b) } else { (b, a) };
        let distance = (high.exponent - low.exponent) as u32;
        let kept = low.significand.checked_shr(distance).unwrap_or(0);
        let lost = distance >= 128 || kept << distance != low.significand;
        // The bit below the last one stands for what was lost; the top has room for both.
        let (x, y) = (high.significand << 1, kept << 1 | u128::from(lost));
        let (negative, significand) = if high.negative == low.negative {
            (high.negative, x + y)
        } else if x >= y {
            (high.negative, x - y)
        } else {
            (low.negative, y - x)
        };
        Self { negative, significand, exponent: high.exponent - 1 }
    }
}

/// `x` times `y` plus `z`, the product and the sum negated by `signs`, rounded to a significand of so many bits by MXCSR's
/// rounding control: as an x87 number, and whether it is inexact.
pub(super) fn rounded(
    [x, y, z]: [f64; 3],
    signs: [bool; 2],
    precision: u32,
    control: u32,
) -> ([u8; 10], bool) {
    let (x, y, z) = (Exact::of(x), Exact::of(y), Exact::of(z));
    let product = Exact {
        negative: x.negative ^ y.negative ^ signs[0],
        significand: x.significand * y.significand,
        exponent: x.exponent + y.exponent,
    };
    let sum = product.plus(Exact { negative: z.negative ^ signs[1], ..z });
    let bits = 128 - sum.significand.leading_zeros();
    let below = bits.saturating_sub(precision);
    let (mut kept, rest) = (sum.significand >> below, sum.significand & ((1 << below) - 1));
    let half = if below == 0 { 0 } else { 1_u128 << (below - 1) };
    let up = match control {
        0 => rest > half || (rest == half && below != 0 && kept & 1 != 0),
        1 => sum.negative && rest != 0,
        2 => !sum.negative && rest != 0,
        _ => false,
    };
    kept += u128::from(up);
    (extended(sum.negative, kept, sum.exponent + below as i32), rest != 0)
}

/// A significand of at most 54 bits as an x87 number.
fn extended(negative: bool, significand: u128, exponent: i32) -> [u8; 10] {
    let mut out = [0; 10];
    let sign = u16::from(negative) << 15;
    let mut top = sign;
    if let Some(highest) = (significand as u64).checked_ilog2() {
        out[..8].copy_from_slice(&((significand as u64) << (63 - highest)).to_le_bytes());
        top = sign | (exponent + highest as i32 + 0x3fff) as u16;
    }
    out[8..].copy_from_slice(&top.to_le_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value of a result that is a double.
    fn value(number: [u8; 10]) -> f64 {
        let significand = u64::from_le_bytes(std::array::from_fn(|k| number[k]));
        let top = u16::from_le_bytes([number[8], number[9]]);
        let exponent = i32::from(top & 0x7fff) - 0x3fff - 63;
        let size = significand as f64 * 2.0_f64.powi(exponent);
        if top >> 15 != 0 { -size } else { size }
    }

    #[test]
    fn in_range_it_is_what_the_host_computes() {
        let numbers = [1.0, -1.5, 1e10, 0.1, -3.0e-7, 1.0 + f64::EPSILON, 6.02e23, -0.0];
        for x in numbers {
            for y in numbers {
                for z in numbers {
                    let (result, inexact) = rounded([x, y, z], [false, false], 53, 0);
                    let host = x.mul_add(y, z);
                    assert_eq!(value(result), host, "{x} * {y} + {z}");
                    let product = x * y;
                    if !inexact && x.mul_add(y, -product) == 0.0 {
                        assert_eq!(product + z, host);
                    }
                }
            }
        }
    }

    #[test]
    fn far_apart_and_cancelling_operands_round_by_what_is_lost() {
        let (result, inexact) = rounded([1.0, 1.0, 1e-300], [false, false], 53, 2);
        assert_eq!((value(result), inexact), (1.0 + f64::EPSILON, true));
        let (result, inexact) = rounded([1.0, 1.0, 1e-300], [false, true], 53, 0);
        assert_eq!((value(result), inexact), (1.0, true));
        let x = 1.0 + f64::EPSILON;
        let (result, inexact) = rounded([x, x, x * x], [false, true], 53, 0);
        assert_eq!((value(result), inexact), (f64::EPSILON * f64::EPSILON, false));
        let (result, inexact) = rounded([3.0, 5.0, 15.0], [false, true], 24, 0);
        assert_eq!((result[..8].to_vec(), inexact), (vec![0; 8], false));
    }
}

//! Reading Kubernetes' quantities (`1500m`, `16Gi`, `129e6`) as far as they are shown.

/// CPU capacity as the contract has it: `2.50 cores`, or `250m` below one core. What is no quantity counts as 0.
#[must_use]
pub fn format_cpu(quantity: &str) -> String {
    let milli = scaled(quantity, 3);
    if milli < 1000 {
        return format!("{milli}m");
    }
    format!("{:.2} cores", float(milli) / 1000.0)
}

/// Memory capacity as the contract has it: `15.6 GiB`, `1.0 MiB`, `1.5 KiB` or `12 B`. What is no quantity counts as 0.
#[must_use]
pub fn format_memory(quantity: &str) -> String {
    format_bytes(bytes(quantity))
}

/// A quantity in whole bytes. What is no quantity counts as 0.
#[must_use]
pub fn bytes(quantity: &str) -> i64 {
    scaled(quantity, 0)
}

/// So many bytes as the contract has them.
#[must_use]
pub fn format_bytes(bytes: i64) -> String {
    const UNITS: [(i64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    for (size, unit) in UNITS {
        if bytes >= size {
            return format!("{:.1} {unit}", float(bytes) / float(size));
        }
    }
    format!("{bytes} B")
}

/// What the reference computes with too, so its rounding is part of the contract.
#[allow(clippy::cast_precision_loss, reason = "the reference divides floats of this width")]
fn float(number: i64) -> f64 {
    number as f64
}

/// `quantity` × 10^`scale`, rounded away from zero to a whole number and held within an `i64`; 0 where it is no quantity.
fn scaled(quantity: &str, scale: i32) -> i64 {
    let (negative, digits) = match quantity.as_bytes().first() {
        Some(b'-') => (true, &quantity[1..]),
        Some(b'+') => (false, &quantity[1..]),
        _ => (false, quantity),
    };
    let Some(magnitude) = magnitude(digits, scale) else { return 0 };
    let magnitude = i64::try_from(magnitude).unwrap_or(i64::MAX);
    if negative { -magnitude } else { magnitude }
}

fn magnitude(text: &str, scale: i32) -> Option<u128> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.len() + fraction.len() == 0 || fraction.contains('.') {
        return None;
    }
    let (binary, decimal) = unit(suffix)?;
    let mut value: u128 = 0;
    for digit in whole.bytes().chain(fraction.bytes()) {
        value = value.saturating_mul(10).saturating_add(u128::from(digit - b'0'));
    }
    value = value.saturating_mul(1 << binary);
    let places = i32::try_from(fraction.len()).ok()?;
    let exponent = decimal.saturating_add(scale).saturating_sub(places);
    // No u128 has more than 39 digits: a larger exponent means too much, or next to nothing.
    let factor = 10_u128.checked_pow(exponent.unsigned_abs()).unwrap_or(u128::MAX);
    Some(if exponent >= 0 { value.saturating_mul(factor) } else { value.div_ceil(factor) })
}

/// A suffix as (power of two, power of ten).
fn unit(suffix: &str) -> Option<(u32, i32)> {
    Some(match suffix {
        "" => (0, 0),
        "n" => (0, -9),
        "u" => (0, -6),
        "m" => (0, -3),
        "k" => (0, 3),
        "M" => (0, 6),
        "G" => (0, 9),
        "T" => (0, 12),
        "P" => (0, 15),
        "E" => (0, 18),
        "Ki" => (10, 0),
        "Mi" => (20, 0),
        "Gi" => (30, 0),
        "Ti" => (40, 0),
        "Pi" => (50, 0),
        "Ei" => (60, 0),
        _ => (0, suffix.strip_prefix(['e', 'E'])?.parse().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cpus() {
        let cases = [
            ("4", "4.00 cores"),
            ("250m", "250m"),
            ("999m", "999m"),
            ("1000m", "1.00 cores"),
            ("2.5", "2.50 cores"),
            ("100n", "1m"),
            ("0.0001", "1m"),
            ("1k", "1000.00 cores"),
            ("2675m", "2.67 cores"),
            ("0", "0m"),
            ("-500m", "-500m"),
            ("", "0m"),
            ("many", "0m"),
            (".", "0m"),
            ("1.2.3", "0m"),
            ("1e-400", "1m"),
            ("99999999999999999999999999999999999999999999", "9223372036854776.00 cores"),
        ];
        for (quantity, text) in cases {
            assert_eq!(format_cpu(quantity), text, "{quantity}");
        }
    }

    #[test]
    fn memory() {
        let cases = [
            ("1023", "1023 B"),
            ("1500m", "2 B"),
            ("1536", "1.5 KiB"),
            ("1048575", "1024.0 KiB"),
            ("129e6", "123.0 MiB"),
            ("1.5Gi", "1.5 GiB"),
            ("16393224Ki", "15.6 GiB"),
            ("500M", "476.8 MiB"),
            ("1Ti", "1024.0 GiB"),
            ("8Ei", "8589934592.0 GiB"),
            ("1E999999999999", "0 B"),
            ("0Xi", "0 B"),
        ];
        for (quantity, text) in cases {
            assert_eq!(format_memory(quantity), text, "{quantity}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(quantity in "[-+]?[0-9.]{0,50}[numkMGTPEKi e0-9-]{0,14}") {
            let _ = format_cpu(&quantity);
            let _ = format_memory(&quantity);
        }

        #[test]
        fn millis_are_exact(milli in 0_i64..1_000_000_000) {
            prop_assert_eq!(scaled(&format!("{milli}m"), 3), milli);
            prop_assert_eq!(scaled(&format!("{}.{:03}", milli / 1000, milli % 1000), 3), milli);
        }
    }
}
